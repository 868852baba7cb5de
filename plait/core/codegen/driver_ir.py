"""The functions of the native driver, in LLVM's IR; `driver.py` says how they work together.

`$Chunk.ARGS` and the like stand for the numbers of words, `$PAUSE` for what a waiting loop does.
Atomic orders: what one thread prepares for others is published by a release or stronger, and read
after an acquire; where a thread both announces that it will sleep and looks once more, both are
sequentially consistent, as are the two of the one that wakes it.
"""

SLEEP = """
declare i64 @syscall(i64, ...)

; Sleep while the word holds `seen`.
define internal void @sleep_on(ptr %word, i32 %seen) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i64 128, i32 %seen, ptr null)
  ret void
}

define internal void @wake(ptr %word, i64 %many) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i64 129, i64 %many)
  ret void
}
"""

NO_SLEEP = """
define internal void @sleep_on(ptr %word, i32 %seen) nounwind {
  ret void
}

define internal void @wake(ptr %word, i64 %many) nounwind {
  ret void
}
"""

BIND = """
; Flags 0x1 and 0x100: C-contiguous, aligned to the element. An array that lacks one of them, or
; whose address is no multiple of 16, does not fit; nor does what is no plain array.
define i64 @plait_bind(ptr %list, ptr %frame) nounwind {
entry:
  %items.at = getelementptr i8, ptr %list, i64 $ITEMS
  %items = load ptr, ptr %items.at
  %n.at = getelementptr i64, ptr %frame, i64 $Frame.ARRAYS
  %n = load i64, ptr %n.at
  %patches.at = getelementptr i64, ptr %frame, i64 $Frame.PATCHES
  %patches = load ptr, ptr %patches.at
  %m.at = getelementptr i64, ptr %frame, i64 $Frame.PATCH_COUNT
  %m = load i64, ptr %m.at
  %words.at = getelementptr i64, ptr %frame, i64 $Frame.WORDS
  %words = load ptr, ptr %words.at
  %kind.at = getelementptr i64, ptr %frame, i64 $Frame.NDARRAY
  %kind = load ptr, ptr %kind.at
  br label %check
check:
  %i = phi i64 [ 0, %entry ], [ %i.next, %check.next ]
  %bad = phi i64 [ 0, %entry ], [ %bad.next, %check.next ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %check.one, label %checked
check.one:
  %item.at = getelementptr ptr, ptr %items, i64 %i
  %item = load ptr, ptr %item.at
  %type.at = getelementptr i8, ptr %item, i64 $TYPE
  %type = load ptr, ptr %type.at
  %other = icmp ne ptr %type, %kind
  br i1 %other, label %misfit, label %plain
misfit:
  br label %check.next
plain:
  %data.at = getelementptr i8, ptr %item, i64 $DATA
  %data = load i64, ptr %data.at
  %flags.at = getelementptr i8, ptr %item, i64 $FLAGS
  %flags = load i32, ptr %flags.at
  %low = and i64 %data, 15
  %crooked = icmp ne i64 %low, 0
  %both = and i32 %flags, 257
  %strided = icmp ne i32 %both, 257
  %unfit = or i1 %crooked, %strided
  br label %check.next
check.next:
  %bad.one = phi i1 [ true, %misfit ], [ %unfit, %plain ]
  %one = zext i1 %bad.one to i64
  %bad.next = add i64 %bad, %one
  %i.next = add i64 %i, 1
  br label %check
checked:
  %fits = icmp eq i64 %bad, 0
  br i1 %fits, label %patch, label %done
patch:
  %j = phi i64 [ 0, %checked ], [ %j.next, %patch.one ]
  %left = icmp ult i64 %j, %m
  br i1 %left, label %patch.one, label %done
patch.one:
  %before.j = mul i64 %j, $Patch.SIZE
  %number.at = getelementptr i64, ptr %patches, i64 %before.j
  %number = load i64, ptr %number.at
  %word.at = getelementptr i64, ptr %number.at, i64 $Patch.WORD
  %word = load i64, ptr %word.at
  %start.at = getelementptr i64, ptr %number.at, i64 $Patch.START
  %start = load i64, ptr %start.at
  %from.at = getelementptr ptr, ptr %items, i64 %number
  %from = load ptr, ptr %from.at
  %address.at = getelementptr i8, ptr %from, i64 $DATA
  %address = load i64, ptr %address.at
  %to = getelementptr i64, ptr %words, i64 %word
  %address.part = add i64 %address, %start
  store i64 %address.part, ptr %to
  %j.next = add i64 %j, 1
  br label %patch
done:
  ret i64 %bad
}
"""

CHUNK = """
define internal void @run_chunk(ptr %chunk, ptr %scratch, ptr %frame) nounwind {
  %f = load ptr, ptr %chunk
  %args.at = getelementptr i64, ptr %chunk, i64 $Chunk.ARGS
  %args = load ptr, ptr %args.at
  %begin.at = getelementptr i64, ptr %chunk, i64 $Chunk.BEGIN
  %begin = load i64, ptr %begin.at
  %end.at = getelementptr i64, ptr %chunk, i64 $Chunk.END
  %end = load i64, ptr %end.at
  %code = call i64 %f(ptr %args, i64 %begin, i64 %end, ptr %scratch)
  %bad = icmp ne i64 %code, 0
  br i1 %bad, label %fault, label %done
fault:
  %fault.at = getelementptr i64, ptr %chunk, i64 $Chunk.FAULT
  %slot = load ptr, ptr %fault.at
  store atomic i64 %code, ptr %slot monotonic, align 8
  %faulted = getelementptr i64, ptr %frame, i64 $Frame.FAULTED
  store atomic i64 1, ptr %faulted monotonic, align 8
  br label %done
done:
  ret void
}
"""

WORK = """
; Do chunks of the phase that `epoch` names, own share first; gives how many.
define internal i64 @work(ptr %pool, i64 %me, i64 %epoch, i64 %threads, ptr %chunks, ptr %scratch,
                          ptr %frame) nounwind {
entry:
  br label %share
share:
  %k = phi i64 [ 0, %entry ], [ %k.next, %empty ]
  %count.s = phi i64 [ 0, %entry ], [ %count, %empty ]
  %rest = icmp ult i64 %k, %threads
  br i1 %rest, label %pick, label %done
pick:
  %turn = add i64 %me, %k
  %owner = urem i64 %turn, %threads
  %offset = mul i64 %owner, $SHARE
  %shares = getelementptr i64, ptr %pool, i64 $Pool.SHARES
  %cursor = getelementptr i64, ptr %shares, i64 %offset
  br label %look
look:
  %count = phi i64 [ %count.s, %pick ], [ %count, %take ], [ %count.next, %taken ]
  %word = load atomic i64, ptr %cursor acquire, align 8
  %word.epoch = lshr i64 %word, 32
  %current = icmp eq i64 %word.epoch, %epoch
  br i1 %current, label %bounds, label %done
bounds:
  %next = and i64 %word, 65535
  %limit.high = lshr i64 %word, 16
  %limit = and i64 %limit.high, 65535
  %some = icmp ult i64 %next, %limit
  br i1 %some, label %take, label %empty
take:
  %word.next = add i64 %word, 1
  %swap = cmpxchg ptr %cursor, i64 %word, i64 %word.next acq_rel acquire, align 8
  %mine = extractvalue { i64, i1 } %swap, 1
  br i1 %mine, label %taken, label %look
taken:
  %at = mul i64 %next, $Chunk.SIZE
  %chunk = getelementptr i64, ptr %chunks, i64 %at
  call void @run_chunk(ptr %chunk, ptr %scratch, ptr %frame)
  %count.next = add i64 %count, 1
  br label %look
empty:
  %k.next = add i64 %k, 1
  br label %share
done:
  %result = phi i64 [ %count.s, %share ], [ %count, %look ]
  ret i64 %result
}
"""

PARALLEL = """
; One phase with the pool, which this thread holds.
define internal void @run_parallel(ptr %pool, ptr %phase, ptr %frame) nounwind {
entry:
  %chunks = load ptr, ptr %phase
  %total.at = getelementptr i64, ptr %phase, i64 $Phase.COUNT
  %total = load i64, ptr %total.at
  %scratch.at = getelementptr i64, ptr %frame, i64 $Frame.SCRATCH
  %scratch = load ptr, ptr %scratch.at
  %stride.at = getelementptr i64, ptr %frame, i64 $Frame.STRIDE
  %stride = load i64, ptr %stride.at
  %threads.at = getelementptr i64, ptr %pool, i64 $Pool.THREADS
  %threads = load i64, ptr %threads.at
  %epoch.at = getelementptr i64, ptr %pool, i64 $Pool.EPOCH
  %old = load atomic i32, ptr %epoch.at monotonic, align 8
  %odd = add i32 %old, 1
  store atomic i32 %odd, ptr %epoch.at monotonic, align 8
  fence release
  %job.chunks = getelementptr i64, ptr %pool, i64 $Pool.CHUNKS
  store atomic ptr %chunks, ptr %job.chunks monotonic, align 8
  %job.total = getelementptr i64, ptr %pool, i64 $Pool.TOTAL
  store atomic i64 %total, ptr %job.total monotonic, align 8
  %job.scratch = getelementptr i64, ptr %pool, i64 $Pool.SCRATCH
  store atomic ptr %scratch, ptr %job.scratch monotonic, align 8
  %job.stride = getelementptr i64, ptr %pool, i64 $Pool.STRIDE
  store atomic i64 %stride, ptr %job.stride monotonic, align 8
  %job.frame = getelementptr i64, ptr %pool, i64 $Pool.FRAME
  store atomic ptr %frame, ptr %job.frame monotonic, align 8
  %done.at = getelementptr i64, ptr %pool, i64 $Pool.DONE
  store atomic i32 0, ptr %done.at monotonic, align 8
  %new = add i32 %old, 2
  %epoch = zext i32 %new to i64
  %epoch.high = shl i64 %epoch, 32
  %shares = getelementptr i64, ptr %pool, i64 $Pool.SHARES
  br label %deal
deal:
  %t = phi i64 [ 0, %entry ], [ %t.next, %deal ]
  %first.part = mul i64 %t, %total
  %first = udiv i64 %first.part, %threads
  %t.next = add i64 %t, 1
  %limit.part = mul i64 %t.next, %total
  %limit = udiv i64 %limit.part, %threads
  %limit.high = shl i64 %limit, 16
  %low = or i64 %limit.high, %first
  %share = or i64 %low, %epoch.high
  %offset = mul i64 %t, $SHARE
  %cursor = getelementptr i64, ptr %shares, i64 %offset
  store atomic i64 %share, ptr %cursor release, align 8
  %more = icmp ult i64 %t.next, %threads
  br i1 %more, label %deal, label %publish
publish:
  store atomic i32 %new, ptr %epoch.at seq_cst, align 8
  %sleepers.at = getelementptr i64, ptr %pool, i64 $Pool.SLEEPERS
  %sleepers = load atomic i32, ptr %sleepers.at seq_cst, align 8
  %asleep = icmp ne i32 %sleepers, 0
  br i1 %asleep, label %rouse, label %own
rouse:
  %others = sub i64 %threads, 1
  call void @wake(ptr %epoch.at, i64 %others)
  br label %own
own:
  %count = call i64 @work(ptr %pool, i64 0, i64 %epoch, i64 %threads, ptr %chunks, ptr %scratch,
                          ptr %frame)
  %count.32 = trunc i64 %count to i32
  %total.32 = trunc i64 %total to i32
  %before = atomicrmw add ptr %done.at, i32 %count.32 seq_cst, align 8
  %spin.at = getelementptr i64, ptr %pool, i64 $Pool.SPIN
  %spin = load i64, ptr %spin.at
  br label %spinning
spinning:
  %s = phi i64 [ 0, %own ], [ %s.next, %again ]
  %now = load atomic i32, ptr %done.at acquire, align 8
  %ready = icmp eq i32 %now, %total.32
  br i1 %ready, label %done, label %again
again:
  $PAUSE
  %s.next = add i64 %s, 1
  %patient = icmp ult i64 %s, %spin
  br i1 %patient, label %spinning, label %announce
announce:
  %waiting.at = getelementptr i64, ptr %pool, i64 $Pool.WAITING
  store atomic i32 1, ptr %waiting.at seq_cst, align 8
  br label %waiting
waiting:
  %seen = load atomic i32, ptr %done.at seq_cst, align 8
  %finished = icmp eq i32 %seen, %total.32
  br i1 %finished, label %rested, label %nap
nap:
  call void @sleep_on(ptr %done.at, i32 %seen)
  br label %waiting
rested:
  store atomic i32 0, ptr %waiting.at monotonic, align 8
  br label %done
done:
  ret void
}
"""

DRIVE = """
; %state: bit 0 says whether this thread holds the pool. The result: likewise, and bit 1 says
; whether a launch had a fault.
define internal i64 @run_phases(ptr %frame, i64 %begin, i64 %end, i64 %state) nounwind {
entry:
  %pool.at = getelementptr i64, ptr %frame, i64 $Frame.POOL
  %pool = load ptr, ptr %pool.at
  %alone = icmp eq ptr %pool, null
  %phases.at = getelementptr i64, ptr %frame, i64 $Frame.PHASES
  %phases = load ptr, ptr %phases.at
  %scratch.at = getelementptr i64, ptr %frame, i64 $Frame.SCRATCH
  %scratch = load ptr, ptr %scratch.at
  %faulted.at = getelementptr i64, ptr %frame, i64 $Frame.FAULTED
  %held.0 = trunc i64 %state to i1
  br label %next
next:
  %p = phi i64 [ %begin, %entry ], [ %p.next, %step ], [ %p.control, %control.done ]
  %held = phi i1 [ %held.0, %entry ], [ %held.next, %step ], [ %held.c, %control.done ]
  %more = icmp slt i64 %p, %end
  br i1 %more, label %phase, label %finish
phase:
  %place = mul i64 %p, $Phase.SIZE
  %this = getelementptr i64, ptr %phases, i64 %place
  %parallel.at = getelementptr i64, ptr %this, i64 $Phase.PARALLEL
  %parallel = load i64, ptr %parallel.at
  %is.control = icmp eq i64 %parallel, $IS_CONTROL
  br i1 %is.control, label %control, label %plain
control:
  %record = load ptr, ptr %this
  %held.now = zext i1 %held to i64
  %outcome = call i64 @run_control(ptr %record, i64 %held.now)
  %control.fault = icmp uge i64 %outcome, 2
  br i1 %control.fault, label %failed, label %control.done
control.done:
  %held.c = trunc i64 %outcome to i1
  %p.control = add i64 %p, 1
  br label %next
failed:
  ret i64 %outcome
plain:
  %small = icmp eq i64 %parallel, 0
  %single = or i1 %small, %alone
  br i1 %single, label %serial, label %ask
ask:
  br i1 %held, label %together, label %acquire
acquire:
  ; Where another thread holds the pool, this program runs alone.
  %swap = cmpxchg ptr %pool, i32 0, i32 1 acquire monotonic, align 8
  %got = extractvalue { i32, i1 } %swap, 1
  br i1 %got, label %together, label %serial
together:
  call void @run_parallel(ptr %pool, ptr %this, ptr %frame)
  br label %step
serial:
  %held.s = phi i1 [ %held, %plain ], [ false, %acquire ]
  %chunks = load ptr, ptr %this
  %total.at = getelementptr i64, ptr %this, i64 $Phase.COUNT
  %total = load i64, ptr %total.at
  br label %chunk
chunk:
  %c = phi i64 [ 0, %serial ], [ %c.next, %chunk.run ]
  %left = icmp ult i64 %c, %total
  br i1 %left, label %chunk.run, label %step
chunk.run:
  %at = mul i64 %c, $Chunk.SIZE
  %that = getelementptr i64, ptr %chunks, i64 %at
  call void @run_chunk(ptr %that, ptr %scratch, ptr %frame)
  %c.next = add i64 %c, 1
  br label %chunk
step:
  %held.next = phi i1 [ true, %together ], [ %held.s, %chunk ]
  %p.next = add i64 %p, 1
  %fault = load atomic i64, ptr %faulted.at monotonic, align 8
  %ok = icmp eq i64 %fault, 0
  br i1 %ok, label %next, label %finish
finish:
  %fault.bit = phi i64 [ 0, %next ], [ 2, %step ]
  %held.f = phi i1 [ %held, %next ], [ %held.next, %step ]
  %held.bit = zext i1 %held.f to i64
  %result = or i64 %fault.bit, %held.bit
  ret i64 %result
}

define i64 @plait_drive(ptr %frame, i64 %begin, i64 %end) nounwind {
entry:
  %pool.at = getelementptr i64, ptr %frame, i64 $Frame.POOL
  %pool = load ptr, ptr %pool.at
  %api.at = getelementptr i64, ptr %frame, i64 $Frame.API
  %api = load ptr, ptr %api.at
  store ptr %api, ptr @python
  %state = call i64 @run_phases(ptr %frame, i64 %begin, i64 %end, i64 0)
  %held = trunc i64 %state to i1
  br i1 %held, label %release, label %done
release:
  store atomic i32 0, ptr %pool release, align 8
  br label %done
done:
  %result = lshr i64 %state, 1
  ret i64 %result
}
"""

RUN = """
; As a builtin function with METH_O is called: with the bytes (frame, begin, end) and a Python list.
; Binds the list's arrays and runs the phases, without the GIL; gives an int: -1 where nothing was
; run because an array does not fit, else what `plait_drive` gives.
define i64 @plait_run(i64 %self, i64 %given) nounwind {
entry:
  %me = inttoptr i64 %self to ptr
  %list = inttoptr i64 %given to ptr
  %words = getelementptr i8, ptr %me, i64 $BYTES
  %frame = load ptr, ptr %words, align 8
  %begin.at = getelementptr i64, ptr %words, i64 1
  %begin = load i64, ptr %begin.at, align 8
  %end.at = getelementptr i64, ptr %words, i64 2
  %end = load i64, ptr %end.at, align 8
  %api.at = getelementptr i64, ptr %frame, i64 $Frame.API
  %api = load ptr, ptr %api.at
  %int.at = getelementptr ptr, ptr %api, i64 $Api.PyLong_FromSsize_t
  %int = load ptr, ptr %int.at
  %unfit = call i64 @plait_bind(ptr %list, ptr %frame)
  %fits = icmp eq i64 %unfit, 0
  br i1 %fits, label %run, label %done
run:
  %leave.at = getelementptr ptr, ptr %api, i64 $Api.PyEval_SaveThread
  %leave = load ptr, ptr %leave.at
  %back.at = getelementptr ptr, ptr %api, i64 $Api.PyEval_RestoreThread
  %back = load ptr, ptr %back.at
  %thread = call ptr %leave()
  %fault = call i64 @plait_drive(ptr %frame, i64 %begin, i64 %end)
  call void %back(ptr %thread)
  br label %done
done:
  %number = phi i64 [ -1, %entry ], [ %fault, %run ]
  %result = call ptr %int(i64 %number)
  %address = ptrtoint ptr %result to i64
  ret i64 %address
}
"""

WORKER = """
; `worker`: two words, the pool's address and this thread's number.
define i64 @plait_worker(ptr %worker) nounwind {
entry:
  %pool = load ptr, ptr %worker
  %me.at = getelementptr i64, ptr %worker, i64 1
  %me = load i64, ptr %me.at
  %epoch.at = getelementptr i64, ptr %pool, i64 $Pool.EPOCH
  %sleepers.at = getelementptr i64, ptr %pool, i64 $Pool.SLEEPERS
  %spin.at = getelementptr i64, ptr %pool, i64 $Pool.SPIN
  %spin = load i64, ptr %spin.at
  %threads.at = getelementptr i64, ptr %pool, i64 $Pool.THREADS
  %threads = load i64, ptr %threads.at
  %stop.at = getelementptr i64, ptr %pool, i64 $Pool.STOP
  %job.chunks = getelementptr i64, ptr %pool, i64 $Pool.CHUNKS
  %job.total = getelementptr i64, ptr %pool, i64 $Pool.TOTAL
  %job.scratch = getelementptr i64, ptr %pool, i64 $Pool.SCRATCH
  %job.stride = getelementptr i64, ptr %pool, i64 $Pool.STRIDE
  %job.frame = getelementptr i64, ptr %pool, i64 $Pool.FRAME
  %done.at = getelementptr i64, ptr %pool, i64 $Pool.DONE
  %waiting.at = getelementptr i64, ptr %pool, i64 $Pool.WAITING
  br label %wait
wait:
  %last = phi i32 [ 0, %entry ], [ %last, %risen ], [ %epoch, %counted ], [ %last, %torn ]
  br label %spinning
spinning:
  %s = phi i64 [ 0, %wait ], [ %s.next, %again ]
  %epoch = load atomic i32, ptr %epoch.at acquire, align 8
  %odd = and i32 %epoch, 1
  %whole = icmp eq i32 %odd, 0
  %other = icmp ne i32 %epoch, %last
  %new = and i1 %whole, %other
  br i1 %new, label %job, label %again
again:
  $PAUSE
  %s.next = add i64 %s, 1
  %patient = icmp ult i64 %s, %spin
  br i1 %patient, label %spinning, label %announce
announce:
  %was = atomicrmw add ptr %sleepers.at, i32 1 seq_cst, align 8
  %seen = load atomic i32, ptr %epoch.at seq_cst, align 8
  %seen.odd = and i32 %seen, 1
  %changing = icmp ne i32 %seen.odd, 0
  %same = icmp eq i32 %seen, %last
  %nothing = or i1 %changing, %same
  br i1 %nothing, label %nap, label %risen
nap:
  call void @sleep_on(ptr %epoch.at, i32 %seen)
  br label %risen
risen:
  %left = atomicrmw sub ptr %sleepers.at, i32 1 seq_cst, align 8
  br label %wait
job:
  %chunks = load atomic ptr, ptr %job.chunks monotonic, align 8
  %total = load atomic i64, ptr %job.total monotonic, align 8
  %scratch.base = load atomic ptr, ptr %job.scratch monotonic, align 8
  %stride = load atomic i64, ptr %job.stride monotonic, align 8
  %frame = load atomic ptr, ptr %job.frame monotonic, align 8
  %stop = load atomic i64, ptr %stop.at monotonic, align 8
  fence acquire
  %still = load atomic i32, ptr %epoch.at monotonic, align 8
  %kept = icmp eq i32 %still, %epoch
  br i1 %kept, label %begin, label %torn
torn:
  br label %wait
begin:
  %ending = icmp ne i64 %stop, 0
  br i1 %ending, label %leave, label %go
go:
  %mine = mul i64 %me, %stride
  %scratch = getelementptr i8, ptr %scratch.base, i64 %mine
  %name = zext i32 %epoch to i64
  %count = call i64 @work(ptr %pool, i64 %me, i64 %name, i64 %threads, ptr %chunks, ptr %scratch,
                          ptr %frame)
  %some = icmp ne i64 %count, 0
  br i1 %some, label %report, label %counted
report:
  %count.32 = trunc i64 %count to i32
  %before = atomicrmw add ptr %done.at, i32 %count.32 seq_cst, align 8
  %after = add i32 %before, %count.32
  %total.32 = trunc i64 %total to i32
  %complete = icmp eq i32 %after, %total.32
  br i1 %complete, label %tell, label %counted
tell:
  %waits = load atomic i32, ptr %waiting.at seq_cst, align 8
  %asleep = icmp ne i32 %waits, 0
  br i1 %asleep, label %rouse, label %counted
rouse:
  call void @wake(ptr %done.at, i64 1)
  br label %counted
counted:
  br label %wait
leave:
  ret i64 0
}
"""

STOP = """
define void @plait_stop(ptr %pool) nounwind {
entry:
  br label %acquire
acquire:
  %swap = cmpxchg ptr %pool, i32 0, i32 1 acquire monotonic, align 8
  %got = extractvalue { i32, i1 } %swap, 1
  br i1 %got, label %held, label %pause
pause:
  $PAUSE
  br label %acquire
held:
  ; The pool stays taken: whoever still names it runs alone.
  %stop.at = getelementptr i64, ptr %pool, i64 $Pool.STOP
  store atomic i64 1, ptr %stop.at monotonic, align 8
  %epoch.at = getelementptr i64, ptr %pool, i64 $Pool.EPOCH
  %old = atomicrmw add ptr %epoch.at, i32 2 seq_cst, align 8
  %threads.at = getelementptr i64, ptr %pool, i64 $Pool.THREADS
  %threads = load i64, ptr %threads.at
  call void @wake(ptr %epoch.at, i64 %threads)
  ret void
}
"""
