// Own what happens in the browser: links between pages without a reload, and pictures saved as files.
(() => {
  if (window.regenKgReady) return;
  window.regenKgReady = true;

  const save = (blob, name) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const picture = (button) => {
    const before = [...document.querySelectorAll("[data-testid=stVegaLiteChart] svg, img.rkg-drawing")].filter(
      (drawn) => drawn.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING,
    );
    return before.at(-1);
  };

  const savePicture = (button) => {
    const found = picture(button);
    if (!found) return;
    const paper = getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor;
    const image64 = found.tagName === "IMG" && found.src.split("base64,")[1];
    const copy = image64
      ? new DOMParser().parseFromString(new TextDecoder().decode(Uint8Array.from(atob(image64), (c) => c.charCodeAt(0))), "image/svg+xml").documentElement
      : found.cloneNode(true);
    const box = image64 ? { width: found.naturalWidth, height: found.naturalHeight } : found.getBoundingClientRect();
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", box.width);
    copy.setAttribute("height", box.height);
    copy.style.background = paper;
    const text = new XMLSerializer().serializeToString(copy);
    const svg = new Blob([text], { type: "image/svg+xml" });
    if (button.dataset.rkgSave === "svg") return save(svg, `${button.dataset.rkgName}.svg`);
    const image = new Image();
    image.onload = () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: box.width * 2, height: box.height * 2 });
      const pen = canvas.getContext("2d");
      pen.fillStyle = paper;
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((png) => save(png, `${button.dataset.rkgName}.png`), "image/png");
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-rkg-save]");
    if (button) return savePicture(button);
    const link = event.target.closest?.("a.rkg-go");
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);
    if (!link || !plain || link.origin !== location.origin) return;
    event.preventDefault();
    history.pushState({}, "", link.href);
    window.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
    if (link.matches("[data-rkg-stay]")) {
      const list = link.closest("[data-testid=stHtml]");
      list?.scrollIntoView({ block: "start" });
    } else document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
  });

  // Pictures are drawn in the colours of the page: when the system turns dark or light, the page is asked for again.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    setTimeout(() => window.dispatchEvent(new PopStateEvent("popstate", { state: {} })), 100),
  );
})();
