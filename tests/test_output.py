"""What runs print is kept apart, and the user's streams are left as they were."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sweepwidget import output
from sweepwidget.output import RunOutput, capture


class Heard:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str]] = []

    def write(self, stream: str, text: str) -> None:
        self.pieces.append((stream, text))

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.pieces)


@pytest.fixture(autouse=True)
def no_trace():
    """Whatever a test does, the process is as it was before."""
    before = sys.stdout, sys.stderr, threading.Thread.start
    yield
    assert (sys.stdout, sys.stderr, threading.Thread.start) == before


@pytest.fixture
def log(tmp_path: Path):
    """A run's output, closed at the end."""
    with RunOutput(tmp_path / "run") as kept:
        yield kept


# -- capture ----------------------------------------------------------------------------------------------------------


def test_streams_are_told_apart(capsys):
    """stdout and stderr arrive under their names, in the order of printing; nothing shows in the cell."""
    heard = Heard()
    with capture(heard):
        sys.stdout.write("out")
        sys.stderr.write("err")
        sys.stdout.writelines(["a", "b"])
    assert heard.pieces == [("stdout", "out"), ("stderr", "err"), ("stdout", "a"), ("stdout", "b")]
    assert capsys.readouterr() == ("", "")


def test_others_print_as_before(capsys):
    """A thread outside the run prints to the real stream while a capture is on."""
    heard, begun, told = Heard(), threading.Event(), threading.Event()

    def run() -> None:
        with capture(heard):
            begun.set()
            told.wait(10)
            print("inside")

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait(10)
    print("outside")
    told.set()
    thread.join()
    assert (heard.text, capsys.readouterr().out) == ("inside\n", "outside\n")


def test_runs_side_by_side_are_kept_apart():
    """Eight runs that print at the same time each get their own lines, whole and in order."""
    together = threading.Barrier(8)

    def run(number: int) -> Heard:
        heard = Heard()
        with capture(heard):
            together.wait(10)
            for i in range(200):
                print(number, i)
        return heard

    with ThreadPoolExecutor(8) as pool:
        texts = [heard.text for heard in pool.map(run, range(8))]
    assert texts == ["".join(f"{number} {i}\n" for i in range(200)) for number in range(8)]


def test_threads_and_tasks_of_a_run_belong_to_it(capsys):
    """Child threads, their children, pools and asyncio tasks speak to the run that started them."""
    heard = Heard()

    async def task() -> None:
        await asyncio.gather(asyncio.to_thread(print, "to_thread"), asyncio.create_task(later()))

    async def later() -> None:
        print("task")

    def child() -> None:
        print("child")
        grandchild = threading.Thread(target=print, args=("grandchild",))
        grandchild.start()
        grandchild.join()

    with capture(heard):
        thread = threading.Thread(target=child)
        thread.start()
        thread.join()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(print, ["pool"]))
        asyncio.run(task())
    assert sorted(heard.text.split()) == ["child", "grandchild", "pool", "task", "to_thread"]
    assert capsys.readouterr().out == ""
    assert "run" not in vars(thread)


def test_a_thread_that_outlives_its_run_prints_to_the_stream_again(capsys):
    """After the end of the run nothing reaches its sink any more, even while others are captured."""
    heard, over, done = Heard(), threading.Event(), threading.Event()

    def linger() -> None:
        print("during")
        done.set()
        over.wait(10)
        print("after")

    with capture(Heard()):
        with capture(heard):
            thread = threading.Thread(target=linger)
            thread.start()
            done.wait(10)
        over.set()
        thread.join()
    assert (heard.text, capsys.readouterr().out) == ("during\n", "after\n")


def test_captures_nest():
    """An inner run's output is its own; the outer one goes on afterwards."""
    outer, inner = Heard(), Heard()
    with capture(outer):
        print("1")
        with capture(inner):
            print("2")
        print("3")
    assert (outer.text, inner.text) == ("1\n3\n", "2\n")


def test_an_error_passes_through_and_leaves_no_trace():
    """What the run raises is raised; the streams are back (see `no_trace`)."""
    heard = Heard()
    with pytest.raises(ZeroDivisionError), capture(heard):
        print("before")
        1 / 0
    assert heard.text == "before\n"


def test_loggers_made_in_the_run_are_heard():
    """`logging.StreamHandler()` takes sys.stderr as it finds it: the run's."""
    heard, logger = Heard(), logging.getLogger("in a run")
    with capture(heard):
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
        logger.warning("careful")
    assert heard.pieces == [("stderr", "careful\n")]


def test_the_stand_in_is_a_good_stream():
    """It answers for the real one, is no terminal inside a run, and refuses bytes as every text stream does."""
    real = sys.stdout
    with capture(Heard()):
        assert (sys.stdout.encoding, sys.stdout.isatty()) == (real.encoding, False)
        print("flushed", flush=True)
        with pytest.raises(TypeError, match="must be str, not bytes"):
            sys.stdout.write(b"bytes")


def test_a_redirect_inside_a_run_wins():
    """`redirect_stdout` in user code works as ever, and the run's stream comes back after it."""
    heard, mine = Heard(), io.StringIO()
    with capture(heard):
        with contextlib.redirect_stdout(mine):
            print("mine")
        print("the run's")
    assert (mine.getvalue(), heard.text) == ("mine\n", "the run's\n")


def test_a_stand_in_that_comes_back_after_we_left_is_harmless(capsys):
    """Somebody else's redirect that began inside a run and ends after it puts our stand-in back: it passes everything on,
    and the next capture clears it away."""
    real, redirect = sys.stdout, contextlib.redirect_stdout(io.StringIO())
    with capture(Heard()):
        redirect.__enter__()
    redirect.__exit__(None, None, None)
    assert sys.stdout is not real
    print("passed on")
    heard = Heard()
    with capture(heard):
        print("heard")
    assert sys.stdout is real
    assert (heard.text, capsys.readouterr().out) == ("heard\n", "passed on\n")


def test_somebody_else_patched_threads_meanwhile(monkeypatch):
    """A later patch of Thread.start is not undone, and threads still start once; ours does not pile up."""
    plain = threading.Thread.start
    started = []
    with capture(Heard()):
        ours = threading.Thread.start

        def theirs(thread: threading.Thread) -> None:
            started.append(thread)
            ours(thread)

        threading.Thread.start = theirs
    for _ in range(3):
        heard = Heard()
        with capture(heard):
            thread = threading.Thread(target=print, args=("once",))
            thread.start()
            thread.join()
        assert heard.text == "once\n"
    assert (len(started), threading.Thread.start) == (3, theirs)
    threading.Thread.start = ours  # they leave
    with capture(Heard()):
        pass
    assert threading.Thread.start is plain


def test_a_process_without_streams(monkeypatch):
    """Where sys.stdout is None (pythonw, some services) runs are heard all the same, and None comes back."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        heard = Heard()
        with capture(heard):
            print("heard")
            thread = threading.Thread(target=print, args=("a child",))
            thread.start()
            thread.join()
        assert (heard.text, sys.stdout) == ("heard\na child\n", None)


# -- RunOutput --------------------------------------------------------------------------------------------------------


def test_no_print_no_file(tmp_path):
    """The folder and the file are made by the first print, readable by their owner only."""
    with RunOutput(tmp_path / "a" / "run") as log:
        assert not (tmp_path / "a").exists()
        with capture(log):
            print("hello")
    assert log.path.read_text() == "hello\n"
    if os.name == "posix":
        assert (log.path.stat().st_mode & 0o777, log.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_quiet_run_is_on_disk_soon(log):
    """A single print reaches the file without another one, every time, and the thread that wrote it goes away."""
    for expected in ("one line\n", "one line\none line\n"):
        log.write("stdout", "one line\n")
        end = time.monotonic() + 10
        while not log.path.exists() or log.path.read_text() != expected:
            assert time.monotonic() < end
            time.sleep(0.01)
        for thread in threading.enumerate():
            if thread.name == "sweepwidget-output":
                thread.join(10)
                assert not thread.is_alive()


def test_attempts_append(tmp_path):
    """A second attempt of the run goes on in the same file."""
    for attempt in (1, 2):
        with RunOutput(tmp_path) as log:
            log.write("stdout", f"attempt {attempt}\n")
    assert log.path.read_text() == "attempt 1\nattempt 2\n"


@given(st.lists(st.text(st.characters(codec=None)), max_size=20), st.integers(1, 50))
def test_what_was_printed_is_what_is_kept(tmp_path_factory, pieces, chunk):
    """Any text, in any pieces, surrogates included, is in the file in order, whatever size makes it flush."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "_CHUNK", chunk)
        with RunOutput(tmp_path_factory.mktemp("run")) as log:
            for piece in pieces:
                log.write("stdout", piece)
    expected = "".join(pieces).encode("utf-8", "backslashreplace")
    assert (log.path.read_bytes() if expected else b"") == expected
    assert log.lost == 0


def test_many_threads_lose_nothing(log):
    """Writers on many threads and flushes in between: every line arrives once, each writer's in order."""

    def write(writer: int) -> None:
        for i in range(2000):
            log.write("stdout", f"{writer} {i}\n")
            if i % 100 == 0:
                log.flush()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    log.close()
    lines = [tuple(map(int, line.split())) for line in log.path.read_text().splitlines()]
    assert [[i for w, i in lines if w == writer] for writer in range(6)] == [list(range(2000))] * 6


def test_a_log_without_end_keeps_its_beginning_and_its_end(tmp_path, monkeypatch):
    """Past the limit only the last part is kept, and the log says so."""
    monkeypatch.setattr(output, "_CHUNK", 100)
    monkeypatch.setattr(output, "_END", 50)
    with RunOutput(tmp_path, limit=1000) as log:
        for i in range(1000):
            log.write("stdout", f"line {i:04}\n")
    text = log.path.read_text()
    assert text.startswith("line 0000\nline 0001\n")
    assert text.endswith("\nline 0998\nline 0999\n")
    assert "[output.log is full (0.0009537 MB): of what follows only the end is kept]" in text
    assert len(text) < 1200


@pytest.mark.parametrize("folder", ["file/run", "file"])
def test_a_disk_that_refuses_costs_only_the_log(tmp_path, folder):
    """Where nothing can be written, printing goes on, and what was lost is counted."""
    (tmp_path / "file").write_text("in the way")
    log = RunOutput(tmp_path / folder)
    with log, capture(log):
        print("lost")
    assert log.lost == len("lost\n")
    assert log.last_line == "lost"


def test_a_full_disk_costs_only_what_did_not_fit(log, monkeypatch):
    """Writes that fail half-way are counted; when there is room again the log goes on."""
    log.write("stdout", "before\n")
    log.flush()

    class Full:
        def __init__(self, file: io.FileIO) -> None:
            self.file, self.room = file, 3

        def write(self, data: bytes) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            taken, self.room = self.file.write(data[: self.room]), 0
            return taken

    real = log._file
    log._file = Full(real)
    log.write("stdout", "during\n")
    log.flush()
    log._file = real
    log.write("stdout", "after\n")
    log.close()
    assert (log.path.read_text(), log.lost) == ("before\ndurafter\n", len("ing\n"))


def test_after_the_end_nothing_is_kept(log):
    """What is printed after `close` is dropped and counted; closing again is harmless."""
    log.write("stdout", "in time\n")
    log.close()
    log.write("stdout", "late")
    log.close()
    log.flush()
    assert (log.path.read_text(), log.lost) == ("in time\n", len("late"))


@pytest.mark.parametrize(
    ("written", "last"),
    [
        ([], ""),
        (["epoch 1\n"], "epoch 1"),
        (["epoch 1\n", "\n", "  \n"], "epoch 1"),
        (["epoch 1\nepo", "ch 2"], "epoch 2"),
        (["\r 10%", "\r 50%"], " 50%"),
        (["10%\r", "50%\r"], "50%"),
        (["10%\r50%\r", "done\n"], "done"),
        (["\x1b[32mgreen\x1b[0m\n"], "green"),
        (["1/9\x08\x08\x08", "\x1b[1A2/9"], "1/92/9"),
        (["x" * 10_000], "x" * 500),
    ],
)
def test_last_line(log, written, last):
    """The live line is what a terminal would show last: progress bars overwrite themselves, colours are gone."""
    for piece in written:
        log.write("stdout", piece)
        log.flush()
    assert log.last_line == last


def test_a_progress_bar_does_not_grow_in_memory(log):
    """Hours of a bar without a newline cost a line of memory."""
    for i in range(10_000):
        log.write("stderr", f"\r{i:>5}/10000 " + "█" * 40)
        if i % 50 == 0:
            log.flush()
    log.flush()
    assert log.last_line == " 9999/10000 " + "█" * 40
    assert len(log._line) < 3000


def test_tail(log):
    """The last n lines, an unfinished one included."""
    for i in range(100):
        log.write("stdout", f"{i}\n")
    log.write("stdout", "and")
    log.flush()
    assert (log.tail(3), log.tail(0), len(log.tail(1000))) == (["98", "99", "and"], [], 51)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_writes_to_the_same_log(log):
    """A forked data loader's prints are in the log though it leaves by os._exit, and what the parent held is there once."""
    with capture(log):
        print("parent")
        pid = os.fork()
        if pid == 0:
            print("child")
            os._exit(0)
        assert os.waitpid(pid, 0) == (pid, 0)
    log.close()
    text = log.path.read_text()  # lines of two processes may meet: a print writes its end of line by itself
    assert (1, 1) == (text.count("child"), text.count("parent"))


def test_a_print_costs_little(log):
    """Captured prints cost a few microseconds of the printing thread, not milliseconds (measured: 1 to 2 µs)."""
    n = 20_000
    with capture(log):
        begin = time.thread_time()
        for i in range(n):
            print(i)
        took = time.thread_time() - begin
    assert took / n < 50e-6


# -- in a kernel ------------------------------------------------------------------------------------------------------

IN_KERNEL = """
import sys, threading
from IPython.display import clear_output, display
from sweepwidget.output import capture

class Heard:
    def __init__(self): self.text = ""
    def write(self, stream, text): self.text += text

class Figure:
    def __repr__(self): return "a figure"

publisher = get_ipython().display_pub
def state():
    return sys.stdout, sys.stderr, threading.Thread.start, sorted(vars(publisher))
before = state()

def run(heard):
    with capture(heard):
        print("printed")
        handle = display(Figure(), display_id=True)
        handle.update("updated")
        clear_output()
        child = threading.Thread(target=display, args=("from a child",))
        child.start(); child.join()
"""


@pytest.mark.slow
def test_in_a_kernel(kernel):
    """Prints and displays of a run's threads reach its sink and nothing shows in the cell; outside all is as ever."""
    kernel.run(IN_KERNEL)
    cell = kernel.run("""
heard = Heard()
thread = threading.Thread(target=run, args=(heard,)); thread.start(); thread.join()
print("outside"); display("shown")
""")
    assert (cell.stdout, cell.stderr, cell.error) == ("outside\n", "", "")
    assert cell.displays == [{"text/plain": "'shown'"}]
    assert not [m for m in cell.messages if m["msg_type"] == "clear_output"]
    assert kernel.run("print(heard.text, end='')").stdout == "printed\na figure\n'from a child'\n"
    assert kernel.run("print(state() == before)").stdout == "True\n"


@pytest.mark.slow
def test_in_a_kernel_on_the_main_thread(kernel):
    """An inline run is captured too, and the cell speaks again right after it."""
    kernel.run(IN_KERNEL)
    cell = kernel.run("heard = Heard()\nrun(heard)\nprint('outside')\ndisplay('shown')")
    assert (cell.stdout, cell.displays) == ("outside\n", [{"text/plain": "'shown'"}])
    assert kernel.run("print(heard.text, end='')").stdout == "printed\na figure\n'from a child'\n"
    assert kernel.run("print(state() == before)").stdout == "True\n"
