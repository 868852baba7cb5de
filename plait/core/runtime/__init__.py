"""Running programs: flags, random generators, computing of recorded nodes."""
