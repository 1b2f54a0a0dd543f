"""The style sheet of the export page: light and dark, screen and paper, no font or picture from anywhere.

The page's content security policy admits exactly this text by its digest, so no style can come from data.
"""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --paper: #fff; --ground: #f4f6f8; --ink: #1b2733; --soft: #55646f;
  --line: #d9e0e6; --accent: #1f6f8b; --tint: #e6f1f5; --good: #1c7346; --good-tint: #e3f4ea;
  --bad: #a13a2a; --bad-tint: #fbeae6; }
@media (prefers-color-scheme: dark) { :root { --paper: #18212a; --ground: #10171e; --ink: #e6ecf1; --soft: #a3b1bc;
  --line: #2f3c47; --accent: #6cc0dc; --tint: #1d3540; --good: #82d4a5; --good-tint: #183527; --bad: #f0a090;
  --bad-tint: #41231d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Helvetica, Arial, sans-serif; }
header, main, footer { max-width: 66rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.015em; }
h2 { font-size: 1.3rem; margin: 0 0 .6rem; }
h3 { font-size: .95rem; margin: 0; font-weight: 600; }
p { margin: .3rem 0 .8rem; }
.kicker { color: var(--accent); font-weight: 600; font-size: .85rem; letter-spacing: .06em;
  text-transform: uppercase; margin: 0 0 .3rem; }
.lead { font-size: 1.08rem; max-width: 46rem; }
.soft, .more, footer { color: var(--soft); font-size: .9rem; }
.facts { color: var(--soft); font-size: .88rem; display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; margin: 0; }
.facts div { display: flex; gap: .4rem; }
.facts dt::after { content: ":"; }
.facts dd { margin: 0; color: var(--ink); }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem;
  margin: 1.4rem 0 0; }
.strip div { display: flex; flex-direction: column-reverse; justify-content: flex-end; background: var(--paper);
  border: 1px solid var(--line); border-top: 3px solid var(--accent); border-radius: .5rem; padding: .8rem 1rem; }
.strip dd { margin: 0; font-size: 1.8rem; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.strip dt { color: var(--soft); font-size: .88rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; padding: 0; margin: 1.3rem 0; }
a { color: var(--accent); }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem 1rem; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: .6rem; padding: 1.4rem 1.6rem;
  margin: 0 0 1.2rem; }
.charts { display: flex; flex-wrap: wrap; gap: 1.2rem 2.5rem; }
figure { margin: 0; flex: 1 1 22rem; max-width: 30rem; }
figcaption { font-weight: 600; font-size: .92rem; margin-bottom: .6rem; }
figcaption span { color: var(--soft); font-weight: 400; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font-size: 12px; }
svg .quiet { fill: var(--soft); font-size: 11px; }
.bar { fill: var(--accent); }
.track { fill: var(--tint); }
.axis { stroke: var(--line); }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .5rem; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem 1rem .5rem 0; border-bottom: 1px solid var(--line);
  font-weight: 400; }
tbody th { min-width: 8.5rem; }
td { overflow-wrap: break-word; }
thead th { font-weight: 600; font-size: .82rem; color: var(--soft); border-bottom-width: 2px;
  white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr:last-child > * { border-bottom: 0; }
.wide { display: block; min-width: 18rem; }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }
small, code { color: var(--soft); font-size: .82rem; }
small { display: block; }
code { font-family: ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace; }
.pill { display: inline-block; white-space: nowrap; background: var(--tint); border-radius: 1rem; padding: 0 .6rem;
  margin: 0 .25rem .2rem 0; font-size: .84rem; }
.good { background: var(--good-tint); color: var(--good); }
.bad { background: var(--bad-tint); color: var(--bad); }
q, .said { unicode-bidi: plaintext; white-space: pre-wrap; }
bdi { white-space: pre-wrap; }
q { display: block; color: var(--ink); }
.exchange { border-top: 1px solid var(--line); padding: 1rem 0 .8rem; }
.exchange .soft { margin: 0 0 .5rem; }
.turn { max-width: 46rem; margin: .5rem 0; padding: .6rem .9rem; border-radius: .7rem;
  border: 1px solid var(--line); }
.turn.you { background: var(--tint); border-color: transparent; margin-left: auto; }
.who { font-size: .8rem; font-weight: 600; color: var(--accent); margin: 0 0 .15rem; }
.said { margin: 0 0 .4rem; }
.said:last-child { margin-bottom: 0; }
.label { font-size: .8rem; color: var(--soft); margin: .3rem 0 0; font-weight: 600; }
details { font-size: .92rem; margin: .3rem 0; }
summary { cursor: pointer; color: var(--soft); font-size: .86rem; }
footer { padding-top: .3rem; padding-bottom: 2.5rem; }
@media (max-width: 40rem) { header, main, footer { padding-left: .8rem; padding-right: .8rem; }
  section { padding: 1rem; } h1 { font-size: 1.6rem; } .strip { grid-template-columns: 1fr 1fr; } }
@media print { @page { margin: 16mm 14mm; }
  :root { color-scheme: light; --paper: #fff; --ground: #fff; --ink: #000; --soft: #444; --line: #bbb;
    --accent: #1f6f8b; --tint: #eef4f6; --good: #1c7346; --good-tint: #fff; --bad: #a13a2a; --bad-tint: #fff; }
  html { font-size: 9.5pt; } body { font-size: 1rem; } table { font-size: .85rem; }
  th, td { padding-right: .6rem; } td { overflow-wrap: anywhere; } tbody th { min-width: 7rem; }
  thead th { font-size: .78rem; white-space: normal; overflow-wrap: break-word; }
  figure { flex-basis: 16rem; } .strip { grid-template-columns: repeat(5, 1fr); margin-bottom: 1.4rem; }
  nav, .skip { display: none; } header, main, footer { max-width: none; padding: 0; }
  .wide { min-width: 11rem; }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 5mm 0 2mm; margin: 0; }
  thead { display: table-header-group; } tr, figure, .turn { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; } .scroll { overflow: visible; }
  .bar, .track, .turn.you { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details::details-content { content-visibility: visible; display: block; } }
"""
