"""On a phone whatever can be pressed is large enough for a finger, in each state of the page.

Measured is what a finger meets: from the middle of each thing outwards, as long as it is still hit.
"""

import time
from pathlib import Path
from typing import Any

from openai import OpenAI
from playwright.sync_api import Locator, Page, expect

from tests.ui.looking import GROWING, GROWN, Looking, Seen
from tests.ui.test_accessible import RICH
from tests.ui.test_history import PHONE, Listed, begun
from tests.ui.test_settings import settings_of
from xiaozhi.chat_models.scripted import Says, Scripted

ICON = Path(__file__).parents[2] / "xiaozhi/ui/static/icon-192.png"
FINGER = 40  # px
# The least of WCAG 2.5.8, for what is beside the point: signs that only explain something
SIGN = 24  # px
SETTLED = 20.0  # s until what opens has opened
STILL: dict[str, Any] = {**PHONE, "reduced_motion": "reduce"}

# Links within sentences are as high as a line: WCAG 2.5.8 leaves them out.
MEASURE = """(place, [finger, sign]) => {
  const can = "button, a[href], input:not([type=file]), textarea, summary, [role=button],"
    + " [role=menuitem], [role=option]";
  const found = [];
  const gather = (root) => {
    for (const each of root.querySelectorAll("*")) {
      if (each.matches(can) && !each.closest("p a")) found.push(each);
      if (each.shadowRoot) gather(each.shadowRoot);
    }
  };
  gather(place);
  const at = (x, y) => {
    let hit = document.elementFromPoint(x, y);
    for (let inner; hit?.shadowRoot; hit = inner) {
      inner = hit.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner === hit) break;
    }
    return hit;
  };
  const belongs = (hit, thing) => {
    for (let each = hit; each; each = each.parentNode ?? each.host) {
      if (each === thing) return true;
    }
    return false;
  };
  const small = [];
  for (const thing of found) {
    // Where the thing itself is not seen, a finger presses what stands for it: a label, a track.
    const shown = thing.type === "radio" ? thing.closest("label")
      : thing.type === "range" ? thing.closest('[data-testid="stSlider"]').lastElementChild
      : thing;
    shown.scrollIntoView({ block: "center", inline: "nearest" });
    const box = shown.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const isOutside = x < 0 || y < 0 || x > innerWidth || y > innerHeight;
    const isHidden = !shown.checkVisibility({ visibilityProperty: true });
    if (isOutside || isHidden || box.width < 2) continue;
    const reach = (dx, dy) => {
      let far = 0;
      while (far < finger && belongs(at(x + dx * far, y + dy * far), shown)) far++;
      return Math.max(far - 1, 0);
    };
    const wide = reach(-1, 0) + reach(1, 0) + 1;
    const high = reach(0, -1) + reach(0, 1) + 1;
    const least = thing.closest('[data-testid="stTooltipIcon"]') ? sign : finger;
    if (wide >= least && high >= least) continue;
    const name = thing.ariaLabel || thing.placeholder || thing.textContent.trim();
    small.push(`${name.slice(0, 30)}: ${wide} x ${high}`);
  }
  return small;
}"""


def are_large(seen: Seen, where: str = "body") -> None:
    """What can be pressed in `where`, once that has come to rest."""
    place = seen.page.locator(where).first
    until = time.monotonic() + SETTLED
    while small := place.evaluate(MEASURE, [FINGER, SIGN]):
        assert time.monotonic() < until, small
        seen.page.wait_for_timeout(200)


def drawer(page: Page) -> Locator:
    """Opened."""
    page.locator('[data-testid="stExpandSidebarButton"]').click()
    found = page.locator('[data-testid="stSidebar"]')
    expect(found.locator(".st-key-new button")).to_be_in_viewport()
    return found


def test_on_the_empty_page_and_where_it_is_chosen_who_answers(look: Looking, client: OpenAI):
    other = client.beta.assistants.create(model="scripted", name="指尖", description="只是看看")
    seen = look(**STILL)
    are_large(seen)
    seen.page.locator(".st-key-who button").first.click()
    expect(seen.page.locator(".st-key-who_add")).to_be_visible()
    are_large(seen, '[data-testid="stPopoverBody"]')
    client.beta.assistants.delete(other.id)


def test_in_a_conversation(look: Looking, model: Scripted):
    model.script = [Says([RICH]), GROWING, Says("好")]
    seen = look(**STILL)
    page = seen.page
    seen.ask("指尖 什么都来一点")
    expect(seen.answers.last.locator("table")).to_be_visible()
    expect(seen.button("重新回答")).to_be_visible()
    are_large(seen)
    seen.button("编辑问题").click()
    expect(page.get_by_role("textbox", name="编辑问题")).to_be_visible()
    are_large(seen)
    seen.button("取消").click()
    page.locator('[data-testid="stChatInput"] input').set_input_files(ICON)
    expect(page.locator('[data-testid="stFileChipDeleteBtn"]')).to_be_visible()
    are_large(seen)
    page.locator('[data-testid="stFileChipDeleteBtn"] button').click()
    with model.held():
        seen.ask("慢慢说")
        expect(seen.answers.last).to_contain_text("字3")
        seen.ask("等一下")
        expect(seen.button("撤回")).to_be_visible()
        are_large(seen, ".st-key-composer_box")
        are_large(seen, '[class*="st-key-wait_"]')
    seen.says("好")
    expect(seen.answers.filter(has_text=GROWN)).to_have_count(1)


def test_in_the_list(look: Looking, client: OpenAI):
    begun(client, "指尖甲", shelf="pinned")
    begun(client, "指尖乙")
    seen = look(**STILL)
    listed = Listed(seen)
    sidebar = drawer(seen.page)
    place = '[data-testid="stSidebar"]'
    expect(listed.row("指尖甲")).to_be_visible()
    are_large(seen, place)
    listed.row("指尖甲").locator('[class*="st-key-rowmenu_"] button').click()
    are_large(seen, '[role="menu"]')
    seen.page.get_by_role("menuitem", name="重命名").click()
    expect(sidebar.locator(".st-key-naming input")).to_be_visible()
    are_large(seen, place)
    listed.do("指尖乙", "导出")
    expect(sidebar.locator(".st-key-export")).to_be_visible()
    are_large(seen, place)
    listed.do("指尖甲", "删除")
    expect(sidebar.locator(".st-key-undo")).to_be_visible()
    are_large(seen, '[class*="st-key-deleted_"]')
    # The browser keeps it as it was left.
    sidebar.locator('[data-testid="stSidebarCollapseButton"] button').click()
    expect(sidebar.locator(".st-key-new button")).not_to_be_in_viewport()


def test_in_the_settings(look: Looking):
    seen = look(**STILL)
    drawer(seen.page)
    settings = settings_of(seen)
    place = '[role="dialog"]'
    are_large(seen, place)
    settings.get_by_label("新对话的模型").click()
    expect(seen.page.get_by_role("option").first).to_be_visible()
    are_large(seen, '[role="listbox"]')
    seen.page.get_by_role("option").first.click()
    settings.get_by_role("button", name="删除所有对话").click()
    expect(settings.get_by_role("button", name="全部保留")).to_be_visible()
    are_large(seen, place)


def test_on_the_page_of_assistants(look: Looking):
    seen = look.at(f"{look.address}?page=assistants", **STILL)
    expect(seen.page.locator('[class*="st-key-assistant_asst_"]').first).to_be_visible()
    are_large(seen)
    seen.page.goto(f"{look.address}?page=assistants&a=new")
    expect(seen.button("创建")).to_be_visible()
    are_large(seen)
