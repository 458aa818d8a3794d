"""Flow control: a transport is paused with the first reason and resumed with the last."""

from __future__ import annotations

from chat.transport.flow_control import FlowControl, Reason


class Recorder:
    """A transport that keeps what it was told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


def test_only_the_first_reason_pauses_and_only_the_last_resumes() -> None:
    transport = Recorder()
    flow = FlowControl(transport)
    flow.pause(Reason.BUSY)
    flow.pause(Reason.UNREAD)
    flow.pause(Reason.UNREAD)
    assert transport.calls == ["pause"]
    flow.resume(Reason.BUSY)
    assert transport.calls == ["pause"]
    flow.resume(Reason.UNREAD)
    assert transport.calls == ["pause", "resume"]


def test_resuming_for_a_reason_that_does_not_hold_changes_nothing() -> None:
    transport = Recorder()
    flow = FlowControl(transport)
    flow.resume(Reason.BUSY)
    flow.pause(Reason.UNREAD)
    flow.resume(Reason.BUSY)
    assert transport.calls == ["pause"]


def test_after_stop_everything_is_read_for_good() -> None:
    transport = Recorder()
    flow = FlowControl(transport)
    flow.pause(Reason.BUSY)
    flow.stop()
    flow.pause(Reason.UNREAD)
    flow.resume(Reason.BUSY)
    flow.stop()
    assert transport.calls == ["pause", "resume"]
    assert flow.reasons == {Reason.STOPPED}


def test_a_transport_that_closes_is_left_alone() -> None:
    transport = Recorder()
    flow = FlowControl(transport)
    transport.closing = True
    flow.pause(Reason.BUSY)
    flow.resume(Reason.BUSY)
    flow.stop()
    assert transport.calls == []
