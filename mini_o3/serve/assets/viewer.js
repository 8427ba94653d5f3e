// A picture of any size with numbered boxes on it, over OpenSeadragon. Boxes are in pixels of the original.
/* global OpenSeadragon */
import { colour, el } from "./dom.js";

export class Viewer {
  // base: address below which `tiles/LEVEL/X_Y.jpg` are served; picture: {size: [w, h], tile, depth}.
  constructor(stage, base, picture, label) {
    this.stage = stage;
    this.size = picture.size;
    const [width, height] = picture.size;
    this.osd = OpenSeadragon({
      element: stage,
      tileSources: {
        width, height, tileSize: picture.tile, tileOverlap: 0, minLevel: 0, maxLevel: picture.depth,
        getTileUrl: (level, x, y) => `${base}/tiles/${level}/${x}_${y}.jpg`,
      },
      showNavigationControl: false,
      maxZoomPixelRatio: 12,
      visibilityRatio: 0.4,
      gestureSettingsMouse: { clickToZoom: false },
      drawer: "canvas",
    });
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", label);
    this.boxes = new Map();
    stage.viewer = this; // for whoever looks at the page from outside, as the tests do
  }

  rect([left, top, right, bottom]) {
    const width = this.size[0];
    return new OpenSeadragon.Rect(left / width, top / width, (right - left) / width, (bottom - top) / width);
  }

  add(number, box, kind = "") {
    const node = el(`.box${kind}`, { colour: kind ? "#ffd166" : colour(number), "data-turn": number,
      "data-box": box.join(",") }, el("span.tag", {}, kind ? "★" : String(number)));
    this.osd.addOverlay({ element: node, location: this.rect(box) });
    this.boxes.set(`${kind}${number}`, { node, box });
  }

  clear() {
    this.osd.clearOverlays();
    this.boxes.clear();
  }

  // Fly to a box with room around it; with `null` to the whole picture.
  fly(box) {
    if (!box) return this.osd.viewport.goHome();
    const rect = this.rect(box);
    const room = Math.max(rect.width, rect.height) * 0.35;
    this.osd.viewport.fitBounds(new OpenSeadragon.Rect(rect.x - room, rect.y - room, rect.width + 2 * room,
      rect.height + 2 * room));
  }

  mark(number) {
    for (const [key, { node }] of this.boxes) node.classList.toggle("now", key === String(number));
  }

  // Let the user draw one box; resolves with [left, top, right, bottom] in pixels of the original.
  draw() {
    return new Promise((resolve) => {
      let start = null;
      const shape = el(".drawing", { hidden: true });
      this.stage.append(shape);
      this.osd.setMouseNavEnabled(false);
      const tracker = new OpenSeadragon.MouseTracker({
        element: this.osd.canvas,
        pressHandler: (event) => { start = event.position; },
        dragHandler: (event) => {
          if (!start) return;
          const [a, b] = [start, event.position];
          shape.hidden = false;
          Object.assign(shape.style, { left: `${Math.min(a.x, b.x)}px`, top: `${Math.min(a.y, b.y)}px`,
            width: `${Math.abs(a.x - b.x)}px`, height: `${Math.abs(a.y - b.y)}px` });
        },
        releaseHandler: (event) => {
          if (!start) return;
          const corners = [start, event.position].map((point) =>
            this.osd.viewport.viewerElementToImageCoordinates(point));
          tracker.destroy();
          shape.remove();
          this.osd.setMouseNavEnabled(true);
          const xs = corners.map((point) => point.x).sort((a, b) => a - b);
          const ys = corners.map((point) => point.y).sort((a, b) => a - b);
          resolve([xs[0], ys[0], xs[1], ys[1]]);
        },
      });
      tracker.setTracking(true);
    });
  }

  destroy() {
    this.osd.destroy();
  }
}
