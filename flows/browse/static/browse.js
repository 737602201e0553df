"use strict";
/* Keys, the list of keys, lists that load on, and what a page asks of this server. */

const typing = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

function columns(items) {
  const top = items[0].getBoundingClientRect().top;
  const next = items.findIndex((item) => item.getBoundingClientRect().top > top + 1);
  return next < 1 ? items.length : next;
}

function move(key) {
  const links = [...document.querySelectorAll("[data-grid] > li")].map((item) => item.querySelector("a")).filter(Boolean);
  if (!links.length) return false;
  const at = links.indexOf(document.activeElement);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(links), ArrowUp: -columns(links) }[key];
  const to = at < 0 ? 0 : at + step;
  if (to < 0 || to >= links.length) return false;
  links[to].focus();
  return true;
}

const follow = (selector) => {
  const link = document.querySelector(selector);
  if (link) link.click();
  return link !== null;
};

const KEYS = {
  "/": () => {
    const field = document.querySelector("main input[type=search]") || document.querySelector("input[type=search]");
    if (field) field.focus();
    return field !== null;
  },
  "?": () => {
    document.getElementById("keys").showModal();
    return true;
  },
  n: () => follow("a[rel=next]"),
  p: () => follow("a[rel=prev]"),
  u: () => follow("a[data-up]"),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const done = event.key.startsWith("Arrow") ? move(event.key) : (KEYS[event.key] || (() => false))();
  if (done) event.preventDefault();
});

document.addEventListener(
  "error",
  (event) => {
    if (event.target instanceof HTMLImageElement) event.target.classList.add("gone");
  },
  true,
);

for (const waiting of document.querySelectorAll("[data-reload]")) {
  setTimeout(() => location.reload(), 1000 * Number(waiting.dataset.reload));
}

for (const box of document.querySelectorAll(".ask textarea")) {
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) box.form.requestSubmit();
  });
}

if (navigator.clipboard) document.querySelectorAll("[data-copy]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
});

/* Search by a picture: its bytes are sent, and the form asks for what they are known by. */
for (const form of document.querySelectorAll("form[data-picture]")) {
  const problem = form.querySelector("[data-problem]");
  const send = async (file) => {
    if (!file) return;
    const answer = await fetch(form.dataset.picture, { method: "POST", body: file });
    const said = await answer.json().catch(() => ({ error: "The picture could not be sent." }));
    if (said.image) {
      form.elements.like.value = "";
      form.elements.image.value = said.image;
      form.requestSubmit();
    } else {
      problem.textContent = said.error;
      problem.hidden = false;
    }
  };
  form.querySelector(".with-picture").hidden = false;
  form.querySelector("input[type=file]").addEventListener("change", (event) => send(event.target.files[0]));
  document.addEventListener("paste", (event) => send(event.clipboardData.files[0]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    send(event.dataTransfer.files[0]);
  });
}
