// Tells whether the chart library arrived. This small script stands in front of the library's tag: an error event that is over
// before somebody listens cannot be seen later, and a page that waits for a library that never comes would stay empty.
(() => {
  const isLibrary = (event) => event.target instanceof HTMLScriptElement && event.target.id === 'chart-library';
  globalThis.chartLibrary = new Promise((resolve) => {
    document.addEventListener('load', (event) => { if (isLibrary(event)) resolve(true); }, true);
    document.addEventListener('error', (event) => { if (isLibrary(event)) resolve(false); }, true);
  });
})();
