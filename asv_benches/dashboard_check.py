"""Publish the dashboard and open it in headless Chromium, to see that benchmarks are listed and graphs are drawn.

    python asv_benches/dashboard_check.py [--screenshot FILE]

What was recorded is published into a temporary folder; if there is nothing yet, a few benchmarks are run first. asv's
pages load libraries from the network. Where there is npm, they are taken from its packages instead, so that the check
needs no other network.
"""

import argparse
import contextlib
import functools
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FEW = "importing|layers.Tiny|memory.LayerMethods"  # benchmarks that take seconds

PACKAGES = (
    "jquery@3.3.1",
    "jquery-flot@0.8.3",
    "flot-orderbars@1.0.0",
    "stupid-table-plugin@1.1.3",
    "blueimp-md5@2.19.0",
    "bootstrap@3.1.1",
)
LIBRARIES = {  # by the names that they have in asv's pages
    "jquery-3.3.1.min.js": "jquery/dist/jquery.min.js",
    "jquery.flot.min.js": "jquery-flot/jquery.flot.js",
    "jquery.flot.time.min.js": "jquery-flot/jquery.flot.time.js",
    "jquery.flot.selection.min.js": "jquery-flot/jquery.flot.selection.js",
    "jquery.flot.categories.min.js": "jquery-flot/jquery.flot.categories.js",
    "jquery.flot.orderBars.js": "flot-orderbars/js/jquery.flot.orderBars.js",
    "stupidtable.min.js": "stupid-table-plugin/stupidtable.min.js",
    "md5.min.js": "blueimp-md5/js/md5.min.js",
    "bootstrap.min.js": "bootstrap/dist/js/bootstrap.min.js",
    "bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
}

# Opens the list and then each graph in a frame, and writes what it finds into its own text. Axes are grey: a pixel of
# another colour belongs to a curve.
PROBE = """<!doctype html>
<pre id="found"></pre>
<script>
const NAMES = %s, MEASURED = %s;
const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
const coloured = (canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let pixels = 0;
    for (let i = 0; i < data.length; i += 4) {
        const colour = [data[i], data[i + 1], data[i + 2]];
        pixels += data[i + 3] > 0 && Math.max(...colour) - Math.min(...colour) > 60;
    }
    return pixels;
};
const open = async (hash, look) => {
    const frame = document.createElement("iframe");
    frame.width = 1400;
    frame.height = 900;
    frame.src = "index.html#" + hash;
    document.body.append(frame);
    let seen = 0;
    for (let tries = 0; tries < 50 && !seen; tries++) {
        await wait(0.1);
        try { seen = look(frame.contentDocument); } catch { seen = 0; }
    }
    frame.remove();
    return seen;
};
const listed = (page) => NAMES.filter((name) => page.querySelector(`a[href="#${name}"]`)).length == NAMES.length;
const drawn = (page) => coloured(page.querySelector("#main-graph canvas.flot-base"));
(async () => {
    const found = {listed: Boolean(await open("/", listed)), graphs: {}};
    for (const name of MEASURED) found.graphs[name] = await open(name, drawn);
    document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>
"""


def main() -> int:
    """Publish, look, and say what is missing; the exit status is 0 if nothing is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--screenshot", type=Path, help="keep a picture of the first page in this file (PNG)")
    options = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"No Chromium found: none of {', '.join(BROWSERS)} is on the PATH")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pages = publish(folder)
        if shutil.which("npm"):
            use_packages(pages, folder)
        names = sorted(json.loads((pages / "index.json").read_text())["benchmarks"])
        measured = [name for name in names if any(pages.glob(f"graphs/**/{name}.json"))]
        (pages / "probe.html").write_text(PROBE % (json.dumps(names), json.dumps(measured)))
        with serving(pages) as address:
            open_page = functools.partial(open_in, browser, folder / "profile")
            text = open_page("--dump-dom", f"{address}/probe.html")
            if options.screenshot:
                open_page(f"--screenshot={options.screenshot.resolve()}", f"{address}/index.html")
    found = re.search('<pre id="found">(.+?)</pre>', text)
    if found is None:
        sys.exit("The browser did not come to an end")
    return report(len(names), **json.loads(html.unescape(found[1])))


def report(benchmarks: int, listed: bool, graphs: dict[str, int]) -> int:
    missing = [name for name, pixels in graphs.items() if not pixels]
    print(f"{benchmarks} benchmarks, {'all' if listed else 'NOT all'} listed on the first page")
    print(f"{len(graphs)} of them were measured, {len(graphs) - len(missing)} graphs are drawn")
    for name in missing:
        print(f"NOT drawn: {name}")
    if not listed:
        print("Could the pages load their libraries? Without npm they need the network.")
    return 0 if graphs and listed and not missing else 1


def publish(folder: Path) -> Path:
    """Publish what was recorded, or else a quick run of a few benchmarks, and return the folder of the pages."""
    config = json.loads((HERE / "asv.conf.json").read_text())
    recorded = HERE / config["results_dir"]
    results = recorded if any(recorded.glob("*/*-*.json")) else folder / "results"
    config |= {
        "repo": str(HERE.parent),
        "benchmark_dir": str(HERE / config["benchmark_dir"]),
        "env_dir": str(folder / "env"),
        "results_dir": str(results),
        "html_dir": str(folder / "html"),
    }
    path = folder / "asv.conf.json"
    path.write_text(json.dumps(config))
    if results != recorded:
        print(f"Nothing was recorded yet: a quick run of {FEW}")
        asv(path, "machine", "--yes")
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True)
        here = f"--environment=existing:{sys.executable}"
        asv(path, "run", "--quick", here, f"--set-commit-hash={commit.stdout.strip()}", f"--bench={FEW}")
    asv(path, "publish")
    return folder / "html"


def asv(config: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asv", arguments[0], f"--config={config}", *arguments[1:]],
        text=True,
        capture_output=True,
    )
    if done.returncode:
        sys.exit(f"asv {arguments[0]} failed:\n{done.stdout}{done.stderr}")


def use_packages(pages: Path, folder: Path) -> None:
    """Let the pages load their libraries from npm's packages, beside them, instead of the network."""
    command = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    subprocess.run([*command, *PACKAGES], check=True)
    shutil.move(folder / "node_modules", pages / "libraries")
    index = pages / "index.html"
    elsewhere = r'"https://[^"]+/([^"/]+)" integrity="[^"]+"'
    index.write_text(re.sub(elsewhere, lambda match: f'"libraries/{LIBRARIES[match[1]]}"', index.read_text()))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        """Say nothing of each request."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine, and give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def open_in(browser: str, profile: Path, what: str, address: str) -> str:
    """Open a page in a headless browser, and return what that prints."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,1000"]
    # The time of the pages runs ahead of the clock while they wait for nothing.
    options += ["--virtual-time-budget=120000", f"--user-data-dir={profile}", what, address]
    done = subprocess.run([browser, *options], capture_output=True, text=True, timeout=300)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
