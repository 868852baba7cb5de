"""`plait doctor`: one line a finding; quotas of both kinds of cgroup are read."""

from plait.cli import doctor


def test_report_names_what_it_looked_for():
    lines = doctor.report().splitlines()
    names = [line.split("  ")[0] for line in lines]
    for name in ("python", "numpy", "blas", "llvmlite", "cores", "pillow", "matplotlib", "cache"):
        assert name in names
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "EXTRAS", (("no_such_module", "no-such", "vision"),))
    assert "not installed (pip install 'plait[vision]')" in doctor.report()


def test_cgroup_v2_takes_the_least_quota_on_the_way_up(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "a" / "b" / "cpu.max").write_text("max 100000\n")
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    assert doctor.cgroup_cores(tmp_path, own) == 1.5


def test_cgroup_v1(tmp_path):
    folder = tmp_path / "cpu,cpuacct" / "job"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("400000")
    (folder / "cpu.cfs_period_us").write_text("100000")
    own = tmp_path / "own"
    own.write_text("4:memory:/x\n3:cpu,cpuacct:/job\n")
    assert doctor.cgroup_cores(tmp_path, own) == 4.0


def test_no_quota(tmp_path):
    assert doctor.cgroup_cores(tmp_path, tmp_path / "absent") is None
