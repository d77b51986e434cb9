// A classic script in the head, so that the page never flashes in the other theme.
(() => {
  try {
    const theme = localStorage.getItem("scenesearch-theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // storage may be forbidden: the system's theme then
  }
})();
