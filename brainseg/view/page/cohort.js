// The list of a folder's results: least trusted first, each with its picture and the way to its page.
"use strict";

const FIRST = 4; // reasons that are shown without a click

const byId = (id) => document.getElementById(id);

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function list(sentences) {
  const made = element("ul");
  for (const sentence of sentences) made.append(element("li", sentence));
  return made;
}

function row({ case: name, page, picture, tumour, trust, score }) {
  const made = element("tr", undefined, { "data-level": trust?.level ?? "" });
  const head = element("th", undefined, { scope: "row" });
  head.append(element("a", name, { href: page }));
  const level = element("td");
  if (trust) level.append(element("span", trust.level, { class: "level" }), `, expected Dice ${trust.dice.toFixed(2)}`);
  if (score !== null) level.append(element("br"), `Dice ${score.toFixed(3)}`);
  const why = element("td");
  const reasons = trust?.reasons ?? [];
  why.append(list(reasons.slice(0, FIRST)));
  if (reasons.length > FIRST) {
    const rest = element("details");
    rest.append(element("summary", `${reasons.length - FIRST} more`), list(reasons.slice(FIRST)));
    why.append(rest);
  }
  const seen = element("td");
  if (picture) {
    const link = element("a", undefined, { href: page });
    link.append(element("img", undefined, { src: picture, alt: `Slices of ${name} with the mask's outline`, loading: "lazy" }));
    seen.append(link);
  }
  made.append(head, level, element("td", tumour), why, seen);
  return made;
}

async function main() {
  const response = await fetch("cohort.json");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const { folder, cases, failed } = await response.json();
  document.title = `${folder} – brainseg`;
  byId("title").textContent = `${folder}: ${cases.length} cases`;
  const levels = ["unreliable", "check", "good"].map((level) => [level, cases.filter((one) => one.trust?.level === level).length]);
  byId("summary").textContent = "The least trusted first: " + levels.map(([level, count]) => `${count} ${level}`).join(", ") +
    (failed.length ? `; ${failed.length} failed.` : ".");
  for (const { case: name, why } of failed) byId("failures").append(element("li", `${name}: ${why}`));
  byId("failed").hidden = failed.length === 0;
  byId("rows").append(...cases.map(row));
  document.body.dataset.state = "ready";
}

main().catch((error) => {
  byId("message").textContent = `The list could not be read (${error.message}); is brainseg view still running?`;
  byId("message").hidden = false;
  document.body.dataset.state = "failed";
});
