"""What every page is looked at for: names of controls, contrast (WCAG 2's formula and its 4.5), width."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

UNNAMED = """() => [...document.querySelectorAll('input:not([type=hidden]), select, button, a, summary')]
  .filter(one => one.checkVisibility() && !(one.ariaLabel || one.labels?.length || one.textContent.trim()))
  .map(one => one.outerHTML)"""
FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = (rgb) => rgb.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (one) => {
    const layers = [];
    for (let up = one; up; up = up.parentElement) layers.unshift(rgba(getComputedStyle(up).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const ratio = (one) => {
    const behind = ground(one), ink = over(rgba(getComputedStyle(one).color), behind);
    const [high, low] = [light(ink), light(behind)].sort((a, b) => b - a);
    return (high + .05) / (low + .05);
  };
  return [...document.querySelectorAll('body *')]
    .filter(one => one.checkVisibility() && [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
    .map(one => [ratio(one), one.outerHTML.slice(0, 90)]).filter(([found]) => found < 4.5);
}"""
WIDER = "() => document.documentElement.scrollWidth - window.innerWidth"


def follow(page: "Page", to: "Locator") -> None:
    """Click and wait for the page that it leads to: what is read next is never of the page before."""
    with page.expect_navigation():
        to.click()
