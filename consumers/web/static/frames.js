// Work that is done at most once per frame, however often it is asked for.

/**
 * Return a function that asks for the work to be done with the next frame. While the page is not seen there are no
 * frames, and the work waits.
 *
 * @param {() => void} work
 * @returns {() => void}
 */
export function oncePerFrame(work) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      work();
    });
  };
}
