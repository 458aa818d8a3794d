"""The page of the REST server, in Chromium, as large as a phone: it joins, talks, sleeps, and wakes."""

from __future__ import annotations

import pytest

from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.server.hub import Hub
from tests.interop.conftest import EnterRoom
from tests.support.browser import Browser, Page
from tests.support.foreign import end_seat

HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>" + "e" + "́" * 500
)


class Phone:
    """The page on a small screen."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def join(self, nick: str, token: str = "") -> None:
        await self.fill("nick", nick)
        if token:
            await self.fill("token", token)
        await self.page.press("Enter")
        await self.page.until("!document.getElementById('chat').hidden")

    async def fill(self, field: str, text: str) -> None:
        await self.page.value(f"document.getElementById('{field}').focus()")
        await self.page.type(text)

    async def tap(self, selector: str) -> None:
        """Touch the middle of something."""
        x, y = await self.page.value(
            f"(() => {{ const it = document.querySelector('{selector}'); it.scrollIntoView();"
            " const box = it.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        await self.page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        await self.page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    async def say(self, text: str) -> None:
        await self.fill("text", text)
        await self.tap("#send")

    async def shows(self, text: str) -> None:
        await self.page.until(f"document.body.innerText.includes({text!r})")


@pytest.fixture
async def phone(browser: Browser, room_servers: dict[str, Address]) -> Phone:
    page = await browser.page(width=360, height=640, phone=True)
    await page.open(f"http://{room_servers['rest']}/")
    return Phone(page)


async def test_a_phone_talks_with_somebody_over_another_technique(
    phone: Phone, enter_room: EnterRoom
) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await bob.sees("joined", "ann")
    await phone.say("hello from a phone")
    assert (await bob.hears("hello from a phone")).technique == "rest"
    await bob.say("hello from a terminal")
    await phone.shows("hello from a terminal")

    await phone.tap(".own .tools button")
    await phone.page.until("!document.getElementById('editing').hidden")
    await phone.fill("text", "!")
    await phone.tap("#send")
    assert (await bob.sees("edited", "ann")).text == "hello from a phone!"
    await phone.shows("hello from a phone!")

    # It is a lesson: the requests can be seen, and what is secret in them can not.
    await phone.tap("#wire summary")
    seen = await phone.page.value("document.getElementById('requests').textContent")
    for part in ("POST", "/rooms/lab/messages", "201", "PUT", "Idempotency-Key: 1", "Seat-Key: •••"):
        assert part in seen
    assert (await phone.page.value("JSON.parse(sessionStorage.chat).key")) not in seen

    # All of it can be touched, and nothing is wider than the screen.
    assert await phone.page.value("document.documentElement.scrollWidth") == 360
    assert (
        await phone.page.value(
            "[...document.querySelectorAll('button, summary, input:not([type=checkbox]), textarea')]"
            ".map((one) => one.getBoundingClientRect().height).filter((height) => height && height < 44)"
        )
        == []
    )
    assert phone.page.problems == []

    await phone.tap("#leave")
    await bob.sees("left", "ann")


async def test_what_others_write_is_text(phone: Phone, enter_room: EnterRoom) -> None:
    bob = await enter_room("tcp", "<b>bob")
    await phone.join("ann")
    await bob.say(HOSTILE)
    await phone.shows("onerror")
    assert await phone.page.value("document.title") == "chat: REST"
    assert await phone.page.value("document.querySelectorAll('img, b b, #messages script').length") == 0
    assert await phone.page.value("document.documentElement.scrollWidth") == 360
    assert phone.page.problems == []


async def test_with_long_polling_a_quiet_room_costs_no_requests(phone: Phone, enter_room: EnterRoom) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await phone.tap("#wire summary")
    await phone.tap("#long")
    await phone.page.until("document.getElementById('state').textContent.includes('long polling')")
    await bob.say("at once")
    await phone.shows("at once")
    assert any(request.endswith("&wait=20") for request in phone.page.requests)


async def test_in_a_french_browser_the_page_speaks_french(
    phone: Phone, enter_room: EnterRoom, room_servers: dict[str, Address]
) -> None:
    agent = await phone.page.value("navigator.userAgent")
    await phone.page.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage="fr-FR")
    await phone.page.open(f"http://{room_servers['rest']}/")
    assert "Entrer" in await phone.page.value("document.body.innerText")
    await enter_room("tcp", "bob")
    await phone.fill("nick", "bob")
    await phone.page.press("Enter")
    await phone.shows("ce nom est déjà pris")


async def test_a_seat_outlives_a_reload(phone: Phone, enter_room: EnterRoom) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await phone.say("before")
    sent = await bob.hears("before")
    await phone.page.reload()
    await phone.page.until("document.querySelector('.own .tools button')")
    await phone.say("after")
    assert (await bob.hears("after")).seat == sent.seat
    assert [event.kind for event in bob.seen if event.author == "ann"].count("joined") == 1


async def test_a_page_that_goes_leaves_a_seat_that_ends_soon(
    phone: Phone, room_servers: dict[str, Address]
) -> None:
    await phone.join("ann")
    taken = [request for request in phone.page.requests if request.endswith("/seats")]
    await phone.page.value("window.dispatchEvent(new PageTransitionEvent('pagehide'))")
    await phone.page.seen(lambda: [one for one in phone.page.requests if one.endswith("/seats")] == 2 * taken)


async def test_a_message_whose_answer_is_lost_is_sent_again_and_is_there_once(
    phone: Phone, enter_room: EnterRoom
) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await phone.page.lose_answer("*/messages", phone.say("once"))
    await phone.say("after")
    await bob.hears("after")
    assert bob.texts == ["once", "after"]


async def test_a_phone_that_slept_reads_on_and_says_that_its_seat_had_ended(
    phone: Phone, enter_room: EnterRoom, hub: Hub
) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await bob.say("good night")
    await phone.shows("good night")
    await phone.page.call("Page.setWebLifecycleState", state="frozen")
    await bob.say("while you slept")
    await end_seat(hub, "ann")
    await bob.sees("left", "ann")
    await phone.page.call("Page.setWebLifecycleState", state="active")
    await phone.shows("while you slept")
    await phone.shows("Your seat had ended")
    await phone.page.value(  # Chromium takes no touch for a page that it has frozen once
        "document.getElementById('text').value = 'awake', document.getElementById('composer').requestSubmit()"
    )
    await bob.hears("awake")
    seen = await phone.page.value("document.getElementById('requests').textContent")
    assert '"seat_key":"•••","cursor"' in seen
    assert (await phone.page.value("document.body.innerText")).count("good night") == 1


@pytest.mark.parametrize("limits", [Limits(burst=0, page=10)])
async def test_a_phone_that_slept_through_many_pages_reads_each_line_once_and_in_order(
    phone: Phone, enter_room: EnterRoom
) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await phone.page.call("Page.setWebLifecycleState", state="frozen")
    said = [f"line {number}." for number in range(35)]
    for text in said:
        await bob.say(text)
    await phone.page.call("Page.setWebLifecycleState", state="active")
    await phone.shows(said[-1])
    assert (
        await phone.page.value(
            "[...document.querySelectorAll('#messages .text')].map((one) => one.textContent)"
        )
        == said
    )
    assert "Your seat had ended" not in await phone.page.value("document.body.innerText")


@pytest.mark.parametrize("limits", [Limits(burst=1, rate=1.0)])
async def test_who_is_too_fast_waits_as_long_as_the_server_says_and_nothing_is_lost(
    phone: Phone, enter_room: EnterRoom
) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await phone.page.value(
        "for (const word of ['one', 'two', 'three']) { document.getElementById('text').value = word;"
        " document.getElementById('composer').requestSubmit(); }"
    )
    await bob.hears("three")
    assert bob.texts == ["one", "two", "three"]
    assert await phone.page.value("document.getElementById('requests').textContent.includes('429')")


async def test_a_phone_raises_a_hand_and_shows_the_class_as_sentences(
    phone: Phone, enter_room: EnterRoom
) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await phone.say("/hand")
    await bob.hears("/class hand")
    await phone.shows("ann raises a hand")
    await bob.say("/class hand")
    await phone.shows("bob raises a hand")
    await phone.say("/hand down")
    await bob.hears("/class hand down")
    assert "/class" not in await phone.page.value("document.getElementById('messages').textContent")


@pytest.mark.parametrize("limits", [Limits(burst=1, rate=0.01)])
async def test_who_leaves_is_told_what_was_not_sent(phone: Phone, enter_room: EnterRoom) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.join("ann")
    await phone.say("one")
    await bob.hears("one")
    await phone.say("two")
    await phone.say("three")
    await phone.tap("#leave")
    await phone.shows("Without an answer, so maybe not sent:\ntwo\nthree")


@pytest.mark.parametrize("access", ["four common words"])
async def test_the_page_asks_for_the_access_token(phone: Phone, enter_room: EnterRoom, access: str) -> None:
    bob = await enter_room("tcp", "bob")
    await phone.fill("nick", "ann")
    await phone.page.press("Enter")
    await phone.page.until("!document.getElementById('asks').hidden")
    await phone.fill("token", access)
    await phone.page.press("Enter")
    await bob.sees("joined", "ann")


@pytest.mark.parametrize("access", ["four common words"])
async def test_a_link_brings_the_access_token_and_the_address_does_not_keep_it(
    browser: Browser, room_servers: dict[str, Address], enter_room: EnterRoom, access: str
) -> None:
    bob = await enter_room("tcp", "bob")
    page = await browser.page(width=360, height=640, phone=True)
    url = f"http://{room_servers['rest']}/"
    await page.open(f"{url}#token={access.replace(' ', '%20')}")
    await Phone(page).join("ann")
    await bob.sees("joined", "ann")
    assert await page.value("location.href") == url
