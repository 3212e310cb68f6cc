"""Which text of a page cannot be read on its ground: a script for the browser."""

from __future__ import annotations

__all__ = ["CONTRAST", "READABLE"]

#: Lowest contrast between text and ground that everybody can read (WCAG 2.2, level AA).
READABLE = 4.5

#: Takes the lowest contrast; returns every text below it.
CONTRAST = """
  const lum = (c) => {
    const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (el) => {
    for (let e = el; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (c !== "rgba(0, 0, 0, 0)") return c;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const el of document.querySelectorAll("body *")) {
    const own = [...el.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim());
    if (!own || !el.getClientRects().length || el.closest(".skip, dialog")) continue;
    const style = getComputedStyle(el);
    const a = lum(el.closest("svg") ? style.fill : style.color), b = lum(ground(el));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < arguments[0]) found.push(`${ratio.toFixed(2)} ${el.className} ${el.textContent}`);
  }
  return found;
"""
