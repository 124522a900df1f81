// The area between two outputs of an indicator, drawn behind everything else by a primitive of the chart library.

export class Band {
  drawn = 0; // points of the last picture
  #color;
  #ends = () => null; // of the bar at a position: [value, other value], or null
  #chart = null;
  #series = null;
  #request = () => {};
  #views = [{ zOrder: () => 'bottom', renderer: () => ({ draw: (target) => this.#draw(target) }) }];

  constructor(color) { this.#color = color; }

  // use sets where the ends of each bar are read; they are read anew for each picture.
  use(ends) {
    this.#ends = ends;
    this.#request();
  }

  attached({ chart, series, requestUpdate }) {
    this.#chart = chart;
    this.#series = series;
    this.#request = requestUpdate;
  }

  detached() { this.#chart = null; }

  updateAllViews() {}

  paneViews() { return this.#views; }

  #draw(target) {
    this.drawn = 0;
    const scale = this.#chart?.timeScale();
    const range = scale?.getVisibleLogicalRange();
    if (!range) return;
    target.useMediaCoordinateSpace(({ context }) => {
      context.fillStyle = this.#color;
      let run = [];
      for (let i = Math.max(0, Math.floor(range.from) - 1); i <= range.to + 1; i++) {
        const point = this.#point(scale, i);
        if (point) run.push(point);
        else run = this.#fill(context, run);
      }
      this.#fill(context, run);
    });
  }

  #point(scale, i) {
    const ends = this.#ends(i);
    const x = ends && scale.logicalToCoordinate(i);
    if (x === null) return null;
    const [a, b] = ends.map((value) => this.#series.priceToCoordinate(value));
    return a === null || b === null ? null : [x, a, b];
  }

  // fill draws a stretch without a gap: along one end, and back along the other.
  #fill(context, run) {
    if (run.length > 1) {
      context.beginPath();
      run.forEach(([x, a]) => context.lineTo(x, a));
      run.toReversed().forEach(([x, , b]) => context.lineTo(x, b));
      context.fill();
      this.drawn += run.length;
    }
    return [];
  }
}
