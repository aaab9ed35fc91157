"""A scan with its mask inside a page of the site, by the NiiVue that the package ships; needs no server."""

from __future__ import annotations

import base64
import html
from pathlib import Path

PAGE = """<!doctype html><meta charset="utf-8"><title>Scan with mask</title>
<style>html, body {{ margin: 0; height: 100%; background: #000 }} canvas {{ outline: none }}</style>
<canvas id="canvas" aria-label="Slices and a 3-D picture of the scan with its mask"></canvas>
<script src="../_static/niivue/niivue.umd.js"></script>
<script>
(async () => {{
  const {{ Niivue, NVImage }} = window.niivue;
  const nv = new Niivue({{
    isRadiologicalConvention: true, multiplanarShowRender: 1, multiplanarLayout: 2, logLevel: "error" }});
  await nv.attachToCanvas(document.getElementById("canvas"), true);
  nv.addVolume(await NVImage.loadFromBase64({{ name: "scan.nii.gz", base64: "{scan}" }}));
  nv.addVolume(await NVImage.loadFromBase64({{
    name: "mask.nii.gz", base64: "{mask}", colormap: "blue", opacity: 0.5 }}));
  document.body.dataset.state = "ready";
}})();
</script>"""


class InPage:
    """What a tutorial ends a block with to show two NIfTI files.

    Args:
        scan: .nii.gz of the scan.
        mask: .nii.gz of its mask, 0 and 1.
    """

    def __init__(self, scan: Path, mask: Path):
        encoded = {
            name: base64.b64encode(path.read_bytes()).decode() for name, path in (("scan", scan), ("mask", mask))
        }
        self.page = PAGE.format(**encoded)

    def _repr_html_(self) -> str:
        return f'<iframe class="volume-in-page" title="Scan with mask" srcdoc="{html.escape(self.page)}"></iframe>'
