"""The measuring itself: a wrong answer is told, a right one is taken however it is cut."""

from __future__ import annotations

import asyncio

import pytest

from tests.bench.answer import stream_of
from tests.bench.check import Checker, NativeStream, TranslatedStream, WholeAnswer, checker_of
from tests.bench.load import Shape, drive, quantile
from tests.bench.provider import Provider
from tests.bench.report import Line
from tests.bench.scenario import SCENARIOS, Goal
from tests.bench.shape import PATHS, native, translated
from tests.bench.wish import Wish, read_wish

DIALECTS = ("anthropic_messages", "openai_chat", "openai_responses")
PACED = Wish(events=5, pause_us=1_000, event_bytes=10)


def sent(dialect: str, wish: Wish) -> list[bytes]:
    """A paced stream as the provider sends it, with a time in each delta."""
    answer = stream_of(dialect, wish)
    deltas = [delta.stamped(1_000_000_000 + at) for at, delta in enumerate(answer.deltas)]
    return [answer.head, *deltas, answer.tail]


def read(checker: Checker, pieces: list[bytes]) -> None:
    """All of it, half a second after it was sent."""
    for piece in pieces:
        checker.receive_data(piece, 1.5)
    checker.finish()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_a_paced_stream_is_right_however_it_is_cut(dialect: str, size: int) -> None:
    data = b"".join(sent(dialect, PACED))
    checker = NativeStream(stream_of(dialect, PACED), is_stamped=True)
    for at in range(0, len(data), size):
        checker.receive_data(data[at : at + size], 1.5)
    checker.finish()
    assert checker.events == PACED.events
    assert checker.delays_s == pytest.approx([0.5] * PACED.events, abs=1e-6)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("harm", ["flipped", "swapped", "twice", "short", "more"])
def test_a_damaged_stream_is_told(dialect: str, harm: str) -> None:
    pieces = sent(dialect, PACED)
    if harm == "flipped":
        pieces[3] = pieces[3].replace(b"#", b"$", 1)
    elif harm == "swapped":
        pieces[2], pieces[3] = pieces[3], pieces[2]
    elif harm == "twice":
        pieces.insert(3, pieces[3])
    elif harm == "short":
        pieces.pop()
    else:
        pieces.append(b"x")
    checker = NativeStream(stream_of(dialect, PACED), is_stamped=True)
    with pytest.raises(AssertionError):
        read(checker, pieces)


@pytest.mark.parametrize("surface", DIALECTS)
@pytest.mark.parametrize("harm", ["none", "swapped", "short", "changed"])
def test_a_translated_stream_is_judged_by_its_texts(surface: str, harm: str) -> None:
    upstream = "openai_chat" if surface == "anthropic_messages" else "anthropic_messages"
    checker = checker_of(surface, upstream, PACED, is_stream=True)
    assert isinstance(checker, TranslatedStream)
    pieces = sent(surface, PACED)
    if harm == "swapped":
        pieces[2], pieces[3] = pieces[3], pieces[2]
    elif harm == "short":
        pieces.pop()
    elif harm == "changed":
        pieces[2] = pieces[2].replace(b"@000000000", b"@000000000x", 1)
    if harm == "none":
        read(checker, pieces)
        assert checker.delays_s == pytest.approx([0.5] * PACED.events, abs=1e-6)
        return
    with pytest.raises((AssertionError, ValueError)):
        read(checker, pieces)


def test_a_whole_answer_is_compared() -> None:
    checker = WholeAnswer(b"right".__eq__)
    checker.receive_data(b"wrong", 1.0)
    with pytest.raises(AssertionError):
        checker.finish()


def test_a_wish_is_read_as_it_was_said() -> None:
    wish = Wish(events=7, pause_us=5, event_bytes=6, wait_us=8, text_bytes=9)
    assert read_wish(b'{"content":"%b"}' % wish.text().encode()) == wish
    assert read_wish(b"{}") == Wish()


@pytest.mark.parametrize("wish", [Wish(), Wish(events=300), Wish(events=4, pause_us=2_000)])
async def test_the_load_takes_what_the_provider_gives(wish: Wish) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        tally = await drive(port, native(wish, is_stream=True), ["k"], 3, 10, limit=9)
        whole = await drive(port, native(wish), ["k"], 3, 10, limit=9)
    finally:
        server.close()
        await server.wait_closed()
    assert (tally.requests, tally.events) == (9, 9 * wish.events)
    assert len(tally.delays_s) == (9 * wish.events if wish.pause_us else 0)
    assert whole.requests == 9


async def test_the_load_stops_at_an_answer_that_is_not_the_one_asked_for() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asked, expected = native(Wish(events=5), is_stream=True), Wish(events=6)
    shape = Shape(
        asked.surface, asked.upstream, PATHS[asked.surface], asked.body, expected, is_stream=True
    )
    try:
        with pytest.raises(ExceptionGroup):
            await drive(port, shape, ["k"], 1, 10, limit=1)
    finally:
        server.close()
        await server.wait_closed()


def test_a_translated_request_asks_in_its_own_dialect() -> None:
    shape = translated("openai_chat", Wish(), is_stream=True)
    assert shape.path == "/v1/chat/completions"
    assert b'"stream":true' in shape.body
    assert read_wish(shape.body) == Wish()


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("value", "verdict"), [(1.0, "stretch"), (1.6, "ok"), (2.1, "MISSED"), (float("nan"), "")]
)
def test_a_figure_is_told_beside_its_goal(value: float, verdict: str) -> None:
    assert Line("", value, "x", Goal(2, 1.5)).verdict == verdict


def test_quantiles() -> None:
    assert quantile([3.0], 0.5) == 3.0
    assert quantile([float(n) for n in range(101)], 0.99) == pytest.approx(99.0)
