// Small comforts on pages that work without them: tabs of code, copying, confirming.
"use strict";

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) break;
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = button.dataset.from
      ? document.getElementById(button.dataset.from)
      : button.parentElement.querySelector("code");
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.textContent = button.dataset.done;
    setTimeout(() => (button.textContent = label), 2000);
  });
}

// A page whose place in the bar is off the edge of a phone shows where it is.
document.querySelector(".tabs-nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

// Every group of tabs follows the one that was chosen last.
const groups = [...document.querySelectorAll(".tabs")];

function choose(title) {
  for (const group of groups) {
    const panels = [...group.querySelectorAll(".code")];
    if (!panels.some((panel) => panel.dataset.title === title)) continue;
    for (const panel of panels) panel.hidden = panel.dataset.title !== title;
    for (const tab of group.querySelectorAll("[role=tab]")) {
      const chosen = tab.textContent === title;
      tab.setAttribute("aria-selected", chosen);
      tab.tabIndex = chosen ? 0 : -1;
    }
  }
}

groups.forEach((group, number) => {
  const list = document.createElement("div");
  list.className = "tab-list";
  list.setAttribute("role", "tablist");
  [...group.querySelectorAll(".code")].forEach((panel, index) => {
    const label = panel.querySelector(".code-label");
    const tab = document.createElement("button");
    panel.dataset.title = tab.textContent = label.textContent;
    label.remove();
    tab.type = "button";
    tab.id = `tab-${number}-${index}`;
    panel.id = `panel-${number}-${index}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => {
      choose(tab.textContent);
      try { localStorage.setItem("tab", tab.textContent); } catch { /* private mode */ }
    });
    list.append(tab);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...list.children];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    next.click();
  });
  group.prepend(list);
  choose(list.firstChild.textContent);
});
try {
  const kept = localStorage.getItem("tab");
  if (kept) choose(kept);
} catch { /* private mode */ }

// A new key is seen once: not in a page kept for the way back, and not made again by a reload.
const secret = document.querySelector("[data-secret]");
if (secret) {
  history.replaceState(null, "", secret.dataset.secret);
  secret.addEventListener("focus", () => secret.select());
  addEventListener("pagehide", () => {
    secret.value = "";
    secret.removeAttribute("value");
  });
}
