(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plots = [];
  const paint = plot => Plotly.relayout(plot, {"font.color": getComputedStyle(document.body).color});
  document.querySelectorAll("script[data-for]").forEach(source => {
    const plot = document.getElementById(source.dataset.for);
    const {data, layout} = JSON.parse(source.textContent);
    layout.font.color = getComputedStyle(document.body).color;
    Plotly.newPlot(plot, data, layout, {responsive: true, displayModeBar: false});
    plots.push(plot);
  });
  dark.addEventListener("change", () => plots.forEach(paint));
})();
