// Adds filters, links into closed or hidden cases, and copy buttons. The page is readable without it.
"use strict";
(() => {
  const all = (selector, below = document) => [...below.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const words = new Intl.NumberFormat("en-US");

  // Cases are elements with a verdict: table rows of passes, or details elements.
  const cases = all("[data-v]").map((element) => ({ element, verdict: element.dataset.v, text: null }));
  const groups = all(".passes").map((element) => ({ element, wasOpen: element.open }));
  const choices = all(".choice");
  const field = one("filter");

  const isShown = (of, verdicts, text) => {
    if (verdicts.size > 0 && !verdicts.has(of.verdict)) return false;
    if (text === "") return true;
    of.text ??= of.element.textContent.toLowerCase();
    return text.split(/\s+/).every((word) => of.text.includes(word));
  };

  const hasShown = (element) => element.querySelector("[data-v]:not([hidden])") !== null;

  const apply = () => {
    const verdicts = new Set(all('.choice[aria-pressed="true"]').map((button) => button.dataset.choice));
    const text = field.value.trim().toLowerCase();
    const isFiltered = verdicts.size > 0 || text !== "";
    let shown = 0;
    for (const of of cases) {
      const is = isShown(of, verdicts, text);
      if (of.element.hidden === is) of.element.hidden = !is;
      if (is) shown += 1;
    }
    for (const group of groups) {
      const has = hasShown(group.element);
      group.element.hidden = !has;
      group.element.open = isFiltered ? has : group.wasOpen;
      for (const table of all(".wide", group.element)) table.hidden = !hasShown(table);
    }
    for (const suite of all(".suite")) suite.hidden = !hasShown(suite);
    one("none").hidden = shown > 0;
    const noun = cases.length === 1 ? "case" : "cases";
    const of = isFiltered ? `${words.format(shown)} of ` : "";
    one("shown").textContent = `${of}${words.format(cases.length)} ${noun}`;
  };

  let waiting = 0;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 80);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || field.value === "") return;
    event.preventDefault();
    field.value = "";
    apply();
  });
  for (const button of choices) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      apply();
    });
  }

  const fold = (open) => {
    for (const { element } of cases) if (element.tagName === "DETAILS" && !element.hidden) element.open = open;
    for (const { element } of groups) if (!element.hidden) element.open = open;
  };
  one("unfold").addEventListener("click", () => fold(true));
  one("fold").addEventListener("click", () => fold(false));

  // A link to a closed or filtered-out case shows it.
  const go = () => {
    const target = location.hash.length > 1 ? one(location.hash.slice(1)) : null;
    if (target === null) return;
    const within = target.closest("[data-v]");
    if (within !== null && within.hidden) {
      field.value = "";
      for (const button of choices) button.setAttribute("aria-pressed", "false");
      apply();
    }
    for (let at = target; at !== null; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const stop = target.tagName === "DETAILS" ? target.firstElementChild : target;
    if (stop.tabIndex < 0) stop.tabIndex = -1;
    stop.focus({ preventScroll: true });
    target.scrollIntoView({ behavior: "instant" });
  };
  addEventListener("hashchange", go);
  for (const step of all("[data-go]")) {
    step.addEventListener("click", () => {
      location.hash = step.dataset.go;
      go();
    });
  }

  const confirmCopy = (button, text) => {
    button.textContent = text;
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
  for (const button of all("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        confirmCopy(button, "Copied");
      } catch {
        // Without permission, select the command so that the user can copy it.
        getSelection().selectAllChildren(button.previousElementSibling);
        confirmCopy(button, "Selected");
      }
    });
  }

  for (const bar of all(".filter")) bar.hidden = false;
  apply();
  go();
})();
