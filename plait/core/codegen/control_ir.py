"""The driver's functions for control flow, in LLVM's IR, and the words of what they read.

A loop or a choice is one phase of the program that holds it (`driver.py`). Its bodies are programs
with frames of their own, which hold no arrays: before each turn the addresses of a body's arrays
are put into its frame, by a table. So a slice of a stacked operand is an address that moves on by a
row, and a carried value two places that change roles from turn to turn.
"""

from __future__ import annotations

import enum


class Control(enum.IntEnum):
    """Words of a loop or a choice.

    Each turn runs TEST, if there is one, then looks at the byte whose address the word DECISION
    points to holds: 0 runs OTHERWISE, or ends a loop that has none. Without DECISION there are
    MOST turns. Copies: FIRST before all turns; LAST after an odd number of them.
    """

    MOST = 0
    TEST = 1
    DECISION = 2
    BODY = 3
    OTHERWISE = 4
    FIRST = 5
    FIRST_COUNT = 6
    LAST = 7
    LAST_COUNT = 8
    SIZE = 9


class Call(enum.IntEnum):
    """Words of a body: its frame, the places of its arrays in a turn, what is copied around it.

    NOW takes the arrays' addresses in the present turn.
    """

    FRAME = 0
    PHASES = 1
    PLACES = 2
    NOW = 3
    BEFORE = 4
    BEFORE_COUNT = 5
    AFTER = 6
    AFTER_COUNT = 7
    SIZE = 8


class Place(enum.IntEnum):
    """Words of a place: the addresses of the words that hold its address in even and in odd turns;
    the bytes added to it, and those added per turn."""

    EVEN = 0
    ODD = 1
    OFFSET = 2
    STRIDE = 3
    SIZE = 4


class Copy(enum.IntEnum):
    """Words of a copy: two places, one after the other, and how many bytes."""

    TO = 0
    FROM = 4
    NBYTES = 8
    SIZE = 9


#: What `Phase.PARALLEL` says of a phase whose CHUNKS is a Control.
IS_CONTROL = 2

CONTROL = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define internal i64 @address_in(ptr %place, i64 %turn) nounwind {
  %odd = and i64 %turn, 1
  %word.at = getelementptr ptr, ptr %place, i64 %odd
  %word = load ptr, ptr %word.at
  %base = load i64, ptr %word
  %offset.at = getelementptr i64, ptr %place, i64 $Place.OFFSET
  %offset = load i64, ptr %offset.at
  %stride.at = getelementptr i64, ptr %place, i64 $Place.STRIDE
  %stride = load i64, ptr %stride.at
  %gone = mul i64 %turn, %stride
  %moved = add i64 %offset, %gone
  %address = add i64 %base, %moved
  ret i64 %address
}

define internal void @copy_all(ptr %copies, i64 %count, i64 %turn) nounwind {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %one ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %one, label %done
one:
  %at = mul i64 %i, $Copy.SIZE
  %copy = getelementptr i64, ptr %copies, i64 %at
  %to.at = getelementptr i64, ptr %copy, i64 $Copy.TO
  %to = call i64 @address_in(ptr %to.at, i64 %turn)
  %from.at = getelementptr i64, ptr %copy, i64 $Copy.FROM
  %from = call i64 @address_in(ptr %from.at, i64 %turn)
  %bytes.at = getelementptr i64, ptr %copy, i64 $Copy.NBYTES
  %bytes = load i64, ptr %bytes.at
  %target = inttoptr i64 %to to ptr
  %source = inttoptr i64 %from to ptr
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 %bytes, i1 false)
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

; One run of a body. %held, and the result: as of @run_phases.
define internal i64 @run_call(ptr %call, i64 %turn, i64 %held) nounwind {
entry:
  %frame = load ptr, ptr %call
  %n.at = getelementptr i64, ptr %frame, i64 $Frame.ARRAYS
  %n = load i64, ptr %n.at
  %places.at = getelementptr i64, ptr %call, i64 $Call.PLACES
  %places = load ptr, ptr %places.at
  %now.at = getelementptr i64, ptr %call, i64 $Call.NOW
  %now = load ptr, ptr %now.at
  br label %array
array:
  %i = phi i64 [ 0, %entry ], [ %i.next, %array.one ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %array.one, label %placed
array.one:
  %place.at = mul i64 %i, $Place.SIZE
  %place = getelementptr i64, ptr %places, i64 %place.at
  %address = call i64 @address_in(ptr %place, i64 %turn)
  %slot = getelementptr i64, ptr %now, i64 %i
  store i64 %address, ptr %slot
  %i.next = add i64 %i, 1
  br label %array
placed:
  %patches.at = getelementptr i64, ptr %frame, i64 $Frame.PATCHES
  %patches = load ptr, ptr %patches.at
  %m.at = getelementptr i64, ptr %frame, i64 $Frame.PATCH_COUNT
  %m = load i64, ptr %m.at
  %words.at = getelementptr i64, ptr %frame, i64 $Frame.WORDS
  %words = load ptr, ptr %words.at
  br label %patch
patch:
  %j = phi i64 [ 0, %placed ], [ %j.next, %patch.one ]
  %left = icmp ult i64 %j, %m
  br i1 %left, label %patch.one, label %bound
patch.one:
  %before.j = mul i64 %j, $Patch.SIZE
  %number.at = getelementptr i64, ptr %patches, i64 %before.j
  %number = load i64, ptr %number.at
  %word.at = getelementptr i64, ptr %number.at, i64 $Patch.WORD
  %word = load i64, ptr %word.at
  %start.at = getelementptr i64, ptr %number.at, i64 $Patch.START
  %start = load i64, ptr %start.at
  %known.at = getelementptr i64, ptr %now, i64 %number
  %known = load i64, ptr %known.at
  %to = getelementptr i64, ptr %words, i64 %word
  %known.part = add i64 %known, %start
  store i64 %known.part, ptr %to
  %j.next = add i64 %j, 1
  br label %patch
bound:
  %before.at = getelementptr i64, ptr %call, i64 $Call.BEFORE
  %before = load ptr, ptr %before.at
  %before.n.at = getelementptr i64, ptr %call, i64 $Call.BEFORE_COUNT
  %before.n = load i64, ptr %before.n.at
  call void @copy_all(ptr %before, i64 %before.n, i64 %turn)
  %phases.at = getelementptr i64, ptr %call, i64 $Call.PHASES
  %phases = load i64, ptr %phases.at
  %state = call i64 @run_phases(ptr %frame, i64 0, i64 %phases, i64 %held)
  %fault = icmp uge i64 %state, 2
  br i1 %fault, label %done, label %went
went:
  %after.at = getelementptr i64, ptr %call, i64 $Call.AFTER
  %after = load ptr, ptr %after.at
  %after.n.at = getelementptr i64, ptr %call, i64 $Call.AFTER_COUNT
  %after.n = load i64, ptr %after.n.at
  call void @copy_all(ptr %after, i64 %after.n, i64 %turn)
  br label %done
done:
  ret i64 %state
}

; The table of CPython's functions; the same for all frames, or null.
@python = internal global ptr null
; An exception of a signal's handler on its way to Python: type, value, traceback. Handlers run in
; the main thread alone.
@kept = internal global [3 x ptr] zeroinitializer

declare i64 @time(ptr)

; Let Python's handlers of signals run; whether one has raised an exception (Ctrl-C).
define internal i1 @interrupted() nounwind {
entry:
  %api = load ptr, ptr @python
  %unknown = icmp eq ptr %api, null
  br i1 %unknown, label %no, label %ask
no:
  ret i1 false
ask:
  %enter.at = getelementptr ptr, ptr %api, i64 $Api.PyGILState_Ensure
  %enter = load ptr, ptr %enter.at
  %leave.at = getelementptr ptr, ptr %api, i64 $Api.PyGILState_Release
  %leave = load ptr, ptr %leave.at
  %check.at = getelementptr ptr, ptr %api, i64 $Api.PyErr_CheckSignals
  %check = load ptr, ptr %check.at
  %gil = call i32 %enter()
  %found = call i32 %check()
  %raised = icmp ne i32 %found, 0
  br i1 %raised, label %keep, label %done
keep:
  %fetch.at = getelementptr ptr, ptr %api, i64 $Api.PyErr_Fetch
  %fetch = load ptr, ptr %fetch.at
  %value.at = getelementptr ptr, ptr @kept, i64 1
  %trace.at = getelementptr ptr, ptr @kept, i64 2
  call void %fetch(ptr @kept, ptr %value.at, ptr %trace.at)
  br label %done
done:
  call void %leave(i32 %gil)
  ret i1 %raised
}

define i64 @plait_reraise() nounwind {
entry:
  %type = load ptr, ptr @kept
  %none = icmp eq ptr %type, null
  br i1 %none, label %no, label %raise
no:
  ret i64 0
raise:
  %value.at = getelementptr ptr, ptr @kept, i64 1
  %value = load ptr, ptr %value.at
  %trace.at = getelementptr ptr, ptr @kept, i64 2
  %trace = load ptr, ptr %trace.at
  store ptr null, ptr @kept
  %api = load ptr, ptr @python
  %restore.at = getelementptr ptr, ptr %api, i64 $Api.PyErr_Restore
  %restore = load ptr, ptr %restore.at
  call void %restore(ptr %type, ptr %value, ptr %trace)
  ret i64 1
}

; All turns of a loop, or a choice. %held.0, and the result: as of @run_phases. Once a second
; Python's handlers of signals may run.
define internal i64 @run_control(ptr %control, i64 %held.0) nounwind {
entry:
  %most.at = getelementptr i64, ptr %control, i64 $Control.MOST
  %most = load i64, ptr %most.at
  %test.at = getelementptr i64, ptr %control, i64 $Control.TEST
  %test = load ptr, ptr %test.at
  %tests = icmp ne ptr %test, null
  %decision.at = getelementptr i64, ptr %control, i64 $Control.DECISION
  %decision = load ptr, ptr %decision.at
  %decides = icmp ne ptr %decision, null
  %body.at = getelementptr i64, ptr %control, i64 $Control.BODY
  %body = load ptr, ptr %body.at
  %otherwise.at = getelementptr i64, ptr %control, i64 $Control.OTHERWISE
  %otherwise = load ptr, ptr %otherwise.at
  %ends = icmp eq ptr %otherwise, null
  %first.at = getelementptr i64, ptr %control, i64 $Control.FIRST
  %first = load ptr, ptr %first.at
  %first.n.at = getelementptr i64, ptr %control, i64 $Control.FIRST_COUNT
  %first.n = load i64, ptr %first.n.at
  call void @copy_all(ptr %first, i64 %first.n, i64 0)
  %begun = call i64 @time(ptr null)
  br label %turn
turn:
  %t = phi i64 [ 0, %entry ], [ %t.next, %next ], [ %t.next, %second ]
  %held = phi i64 [ %held.0, %entry ], [ %state, %next ], [ %state, %second ]
  %then = phi i64 [ %begun, %entry ], [ %then, %next ], [ %now, %second ]
  %more = icmp ult i64 %t, %most
  br i1 %more, label %ask, label %over
ask:
  br i1 %tests, label %run.test, label %look
run.test:
  %tested = call i64 @run_call(ptr %test, i64 %t, i64 %held)
  %test.fault = icmp uge i64 %tested, 2
  br i1 %test.fault, label %failed, label %look
look:
  %held.l = phi i64 [ %held, %ask ], [ %tested, %run.test ]
  br i1 %decides, label %read, label %go
read:
  %byte.at = load ptr, ptr %decision
  %byte = load i8, ptr %byte.at
  %yes = icmp ne i8 %byte, 0
  br i1 %yes, label %go, label %no
no:
  br i1 %ends, label %over, label %go
go:
  %chosen = phi ptr [ %body, %look ], [ %body, %read ], [ %otherwise, %no ]
  %state = call i64 @run_call(ptr %chosen, i64 %t, i64 %held.l)
  %fault = icmp uge i64 %state, 2
  br i1 %fault, label %failed, label %next
next:
  %t.next = add i64 %t, 1
  %now = call i64 @time(ptr null)
  %same = icmp eq i64 %now, %then
  br i1 %same, label %turn, label %second
second:
  %stop = call i1 @interrupted()
  br i1 %stop, label %stopped, label %turn
stopped:
  %left = or i64 %state, 2
  ret i64 %left
over:
  %held.o = phi i64 [ %held, %turn ], [ %held.l, %no ]
  %odd = and i64 %t, 1
  %last.n.at = getelementptr i64, ptr %control, i64 $Control.LAST_COUNT
  %last.n = load i64, ptr %last.n.at
  %last.at = getelementptr i64, ptr %control, i64 $Control.LAST
  %last = load ptr, ptr %last.at
  %many = mul i64 %odd, %last.n
  call void @copy_all(ptr %last, i64 %many, i64 0)
  ret i64 %held.o
failed:
  %result = phi i64 [ %tested, %run.test ], [ %state, %go ]
  ret i64 %result
}
"""
