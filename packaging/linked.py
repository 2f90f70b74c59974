#!/usr/bin/env python3
"""What is linked into a gateway's binary: its bill of materials, and the licences of all of it.

    packaging/linked.py sbom TRIPLE BINARY VERSION    CycloneDX 1.6, on standard output
    packaging/linked.py notices TRIPLE VERSION        every licence's text, each once, on standard output
    packaging/linked.py check TRIPLE BINARY           compares with the list that cargo-auditable put into BINARY
    packaging/linked.py compiler BINARY               the version of rustc that BINARY names
    packaging/linked.py zig FOLDER                    compares zig's musl with what stands below
    packaging/linked.py advisories                    compares Cargo.lock with packaging/advisories.txt

Crates are those that cargo links for TRIPLE: neither macros, nor what only builds or tests. What cargo does not
know stands in PARTS. The same source and the same binary give the same bytes. Exits with code 1, and says what to
do, if a crate compiles C that is not listed, if a licence has no text, or if an advisory is about a locked version.
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTICES = ROOT / "packaging" / "notices"
CARGO = os.environ.get("CARGO", "cargo")

# Which zig carries which musl: `linked.py zig` compares.
MUSL_OF_ZIG = {"0.15.2": "1.2.5"}

# Crates whose archives have no licence's text: they are used under this one, whose text is the project's own.
WITHOUT_TEXT = {
    "maud": "Apache-2.0",
    "rusqlite_migration": "Apache-2.0",
    "russh": "Apache-2.0",
    "russh-cryptovec": "Apache-2.0",
    "russh-util": "Apache-2.0",
}


class Part:
    """What cargo does not know: `carrier` is the crate, the compiler or the linker that brings it."""

    def __init__(self, name, carrier, version, licence, texts, cpe=None):
        self.name, self.carrier, self.version, self.licence = name, carrier, version, licence
        self.texts, self.cpe = texts, cpe


def defined(file, *names):
    """A version that a C header defines in one or several macros."""
    return lambda crate: ".".join(
        re.search(rf'#\s*define\s+{name}\s+"?([^"\s]+)', (crate / file).read_text()).group(1) for name in names
    )


# Paths of texts are those in the carrier's archive; those without a carrier's folder are in packaging/notices.
PARTS = [
    Part("sqlite", "libsqlite3-sys", defined("sqlite3/sqlite3.h", "SQLITE_VERSION"), "blessing",
         ["sqlite.txt"], "cpe:2.3:a:sqlite:sqlite:{}:*:*:*:*:*:*:*"),
    Part("zstd", "zstd-sys",
         defined("zstd/lib/zstd.h", "ZSTD_VERSION_MAJOR", "ZSTD_VERSION_MINOR", "ZSTD_VERSION_RELEASE"),
         "BSD-3-Clause", ["zstd/LICENSE"], "cpe:2.3:a:facebook:zstandard:{}:*:*:*:*:*:*:*"),
    # ring does not say which commit of BoringSSL it is based on.
    Part("boringssl", "ring", None, "Apache-2.0 AND ISC", ["LICENSE-BoringSSL", "LICENSE-other-bits"]),
    Part("fiat-crypto", "ring", None, "Apache-2.0", ["third_party/fiat/LICENSE"]),
    Part("once_cell", "ring", None, "MIT OR Apache-2.0", ["src/polyfill/once_cell/LICENSE-MIT"]),
    Part("rust-std", "rustc", None, "MIT OR Apache-2.0", ["rust.txt", "Apache-2.0"]),
    Part("musl", "zig", None, "MIT", ["musl.txt"], "cpe:2.3:a:musl-libc:musl:{}:*:*:*:*:*:*:*"),
    Part("zig-compiler-rt", "zig", None, "MIT", ["zig.txt"]),
    Part("llvm-libunwind", "zig", None, "Apache-2.0 WITH LLVM-exception", ["llvm.txt"]),
]


def fail(message):
    sys.exit(f"linked: {message}")


def output(*command):
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        fail(f"{' '.join(command)}: exit code {done.returncode}")
    return done.stdout.decode()


def zig_version():
    return re.search(r"^ziglang==(\S+)", (ROOT / "cross/tools.txt").read_text(), re.M).group(1)


def musl_version():
    zig = zig_version()
    return MUSL_OF_ZIG.get(zig) or fail(f"cross/tools.txt has zig {zig}: add the version of its musl to MUSL_OF_ZIG")


class Crates:
    """The crates that are linked for one target, and which needs which."""

    def __init__(self, triple):
        self.packages, self.needs, self.root = {}, {}, None
        above = []
        tree = output(CARGO, "tree", "--locked", "--quiet", "--target", triple, "--edges", "normal,no-proc-macro",
                      "--prefix", "depth", "--format", " {p}")
        for line in tree.splitlines():
            depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
            crate = (name, version)
            self.needs.setdefault(crate, set())
            above[int(depth):] = [crate]
            if int(depth) > 0:
                self.needs[above[int(depth) - 1]].add(crate)
        self.root = above[0]
        metadata = json.loads(output(CARGO, "metadata", "--locked", "--quiet", "--format-version", "1",
                                     "--filter-platform", triple))
        self.packages = {
            (p["name"], p["version"]): p for p in metadata["packages"] if (p["name"], p["version"]) in self.needs
        }
        names = {p["id"]: p["name"] for p in metadata["packages"]}
        listed = {part.carrier for part in PARTS}
        for node in metadata["resolve"]["nodes"]:
            compiles = any(names[d["pkg"]] in ("cc", "cmake") and any(k["kind"] == "build" for k in d["dep_kinds"])
                           for d in node["deps"])
            package = next((p for p in self.packages.values() if p["id"] == node["id"]), None)
            if package and compiles and package["name"] not in listed:
                fail(f"{package['name']} compiles C: say what, in PARTS of packaging/linked.py")

    def folder(self, name, version=None):
        found = [p for crate, p in sorted(self.packages.items()) if crate[0] == name and version in (None, crate[1])]
        if not found:
            fail(f"{name} is not linked any more: remove its entries from packaging/linked.py")
        return pathlib.Path(found[0]["manifest_path"]).parent

    def sorted(self):
        return sorted(self.packages)


def sections(binary):
    """The sections of an ELF file by name."""
    data = pathlib.Path(binary).read_bytes()
    if data[:4] != b"\x7fELF":
        fail(f"{binary} is no ELF file")
    wide = data[4] == 2
    start, = struct.unpack_from("<Q" if wide else "<I", data, 0x28 if wide else 0x20)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A if wide else 0x2E)
    headers = [struct.unpack_from("<IIQQQQ" if wide else "<IIIIII", data, start + at * size) for at in range(count)]
    strings = headers[names][4]
    found = {}
    for name, kind, _, _, offset, length in headers:
        end = data.index(b"\0", strings + name)
        if kind != 8:  # Not SHT_NOBITS.
            found[data[strings + name:end].decode()] = data[offset:offset + length]
    return found


def compiler_of(binary):
    found = re.search(rb"rustc version (\S+)", sections(binary).get(".comment", b""))
    return found.group(1).decode() if found else None


def part_version(part, crates, binary):
    if callable(part.version):
        return part.version(crates.folder(part.carrier))
    return {"musl": musl_version, "zig-compiler-rt": zig_version, "llvm-libunwind": zig_version,
            "rust-std": lambda: compiler_of(binary)}.get(part.name, lambda: None)()


# --- the bill of materials


def epoch():
    """The time of the changelog's newest entry, as everything that is packaged has."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or output("packaging/epoch.sh"))


def licences(expression):
    expression = re.sub(r"(?<=\S)/(?=\S)", " OR ", expression)  # As older crates write it.
    if re.fullmatch(r"[\w.+-]+", expression):
        return [{"license": {"id": expression}}]
    return [{"expression": expression}]


def checksums():
    text = (ROOT / "Cargo.lock").read_text()
    return {(n, v): c for n, v, c in re.findall(
        r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"', text)}


def sbom(triple, binary, version):
    crates, sums = Crates(triple), checksums()
    reference = {crate: f"pkg:cargo/{crate[0]}@{crate[1].replace('+', '%2B')}" for crate in crates.sorted()}
    itself = f"pkg:generic/cu-agent@{version}"
    reference[crates.root] = itself
    components, needs = [], {reference[c]: {reference[d] for d in crates.needs[c]} for c in crates.sorted()}
    for crate in crates.sorted():
        if crate == crates.root:
            continue
        if crate not in sums:
            fail(f"{crate[0]} {crate[1]} has no checksum in Cargo.lock")
        components.append({
            "type": "library", "bom-ref": reference[crate], "name": crate[0], "version": crate[1],
            "hashes": [{"alg": "SHA-256", "content": sums[crate]}],
            "licenses": licences(crates.packages[crate]["license"]), "purl": reference[crate],
        })
    carriers = {name: reference[(name, v)] for name, v in crates.sorted()} | {"rustc": itself, "zig": itself}
    for part in PARTS:
        its = part_version(part, crates, binary)
        purl = f"pkg:generic/{part.name}" + (f"@{its}" if its else "")
        component = {"type": "library", "bom-ref": purl, "name": part.name}
        if its:
            component["version"] = its
        component["licenses"] = licences(part.licence)
        if part.cpe and its:
            component["cpe"] = part.cpe.format(its)
        component["purl"] = purl
        carrier = {"zig": f"zig {zig_version()}"}.get(part.carrier, part.carrier)
        component["properties"] = [{"name": "cu-agent:carried-by", "value": carrier}]
        components.append(component)
        needs[carriers[part.carrier]].add(purl)
        needs[purl] = set()
    program = pathlib.Path(binary).read_bytes()
    when = datetime.datetime.fromtimestamp(epoch(), datetime.timezone.utc)
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lifecycles": [{"phase": "build"}],
            "component": {
                "type": "application", "bom-ref": itself, "name": "cu-agent", "version": version,
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(program).hexdigest()}],
                "licenses": licences(crates.packages[crates.root]["license"]), "purl": itself,
                "properties": [{"name": "cu-agent:target", "value": triple}],
            },
        },
        "components": components,
        "dependencies": [{"ref": r, "dependsOn": sorted(needs[r])} for r in sorted(needs)],
    }
    print(json.dumps(bill, indent=1, ensure_ascii=False))


# --- the licences' texts

# A text is of the licence whose words it has. The first word of a text proper follows its copyright lines.
WORDS = {
    "MIT": r"permission is hereby granted, free of charge, to any person obtaining a copy of this software and "
           r"associated",
    "Apache-2.0": r"apache license,? version 2\.0",
    "LLVM-exception": r"llvm exceptions to the apache 2\.0 license",
    "BSD-2-Clause": r"redistribution and use in source and binary forms",
    "BSD-3-Clause": r"redistribution and use in source and binary forms.*(neither the name|name of .* may not be)",
    "ISC": r"permission to use, copy, modify, and(/or)? distribute this software for any purpose",
    "0BSD": r"permission to use, copy, modify, and(/or)? distribute this software for any purpose",
    "Zlib": r"this software is provided 'as-is'",
    "Unlicense": r"this is free and unencumbered software",
    "Unicode-3.0": r"unicode license v3",
    "CDLA-Permissive-2.0": r"community data license agreement - permissive - version 2\.0",
    "BSL-1.0": r"boost software license - version 1\.0",
    "blessing": r"may you do good and not evil",
}
NAMES = re.compile(r"(un)?licen[cs]e|copying|copyright|notice", re.I)
BEGINNING = re.compile(r"^\W*(permission is hereby granted|permission to use, copy|redistribution and use)", re.I)


def plain(text):
    text = text.lower().replace("‘", "'").replace("’", "'").replace("“", '"').replace("”", '"')
    return re.sub(r"[\W_]*\n[\W_]*|\s+", " ", text).strip()


def letters(text):
    """What two copies of one text have in common: not their line ends, and not the title of Apache's."""
    text = re.sub(r"[^a-z0-9]", "", text.lower())
    return text[text.index("termsandconditionsforuse"):] if text.startswith("apachelicense") else text


def is_covered(expression, found):
    """Whether texts of the licences `found` are enough for an SPDX expression."""
    expression = re.sub(r"(?<=\S)/(?=\S)", " OR ", expression)
    words = re.findall(r"[()]|[\w.+-]+", expression)
    python = [{"OR": "or", "AND": "and", "WITH": "and", "(": "(", ")": ")"}.get(w, str(w in found)) for w in words]
    return eval(" ".join(python))  # Made of True, False, and, or and parentheses.


def texts_of(folder):
    found = [p for p in sorted(folder.iterdir()) if NAMES.match(p.name) and p.suffix not in (".toml", ".rs", ".json")]
    files = [f for p in found for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.is_file()]
    return [read(f) for f in files]


def read(file):
    return "\n".join(line.rstrip() for line in file.read_text("utf-8", "replace").expandtabs().splitlines()).strip("\n")


def divided(text):
    """The copyright lines that stand before a text (or in the appendix of Apache's), and the text proper."""
    lines = text.split("\n")
    if "END OF TERMS AND CONDITIONS" in text and "LLVM" not in text:
        end = next(at for at, line in enumerate(lines) if "END OF TERMS AND CONDITIONS" in line)
        if all(line == "" or "apache" in plain(line) or "version 2" in plain(line) or "http" in line
               for line in lines[:3]):
            named = [line.strip() for line in lines[end:]
                     if re.match(r"\s*copyright (?!\[|\{|owner)", line, re.I)]
            return named, "\n".join(lines[:end + 1])
    for at, line in enumerate(lines):
        if BEGINNING.match(line):
            head = [one.strip() for one in lines[:at] if one.strip()]
            return [one for one in head if not re.fullmatch(r"\W*(the )?(mit|isc|bsd)?.{0,12}licen[cs]e.{0,12}", one,
                                                            re.I)], "\n".join(lines[at:])
    return [], text


def covered(title, licence, texts):
    found = {its for text in texts for its, words in WORDS.items() if re.search(words, plain(text), re.S)}
    if not is_covered(licence, found):
        fail(f"{title} is under {licence}, and has the text of {', '.join(sorted(found)) or 'none'}:\n"
             "  put what is missing into packaging/notices, and name it in packaging/linked.py")
    return title, licence, texts


def notices(triple, version):
    crates = Crates(triple)
    apache = read(ROOT / "LICENSE-APACHE")
    holders = []
    for crate in crates.sorted():
        if crate == crates.root:
            continue
        name, title, package = crate[0], " ".join(crate), crates.packages[crate]
        texts = texts_of(crates.folder(*crate))
        if name in WITHOUT_TEXT:
            if texts:
                fail(f"{title} has a licence's text now: remove it from WITHOUT_TEXT of packaging/linked.py")
            texts = [apache] + [f"{title} is by {', '.join(package['authors'])}."] * bool(package["authors"])
        holders.append(covered(title, package["license"], texts))
    for part in PARTS:
        folder = crates.folder(part.carrier) if part.carrier not in ("rustc", "zig") else NOTICES
        texts = [apache if t == "Apache-2.0" else read((NOTICES if t.endswith(".txt") else folder) / t)
                 for t in part.texts]
        holders.append(covered(f"{part.name} of {part.carrier}", part.licence, texts))

    collected = {}
    for title, licence, texts in holders:
        for text in texts:
            copyrights, proper = divided(text)
            entry = collected.setdefault(letters(proper), (proper, {}))
            entry[1].setdefault(tuple(copyrights), []).append(title)

    print(f"What is linked into cu-agent {version} for {triple}, and the licences of each.\n"
          "Each text stands once, below the names and the copyright lines of those that are under it.\n")
    for title, licence, _ in holders:
        print(f"  {title}: {licence}")
    for proper, users in collected.values():
        print("\n" + "=" * 72)
        for copyrights, titles in users.items():
            print(", ".join(titles))
            for line in copyrights:
                print(f"  {line}")
        print("-" * 72)
        print(proper)


# --- checks


def check(triple, binary):
    section = sections(binary).get(".dep-v0")
    if section is None:
        fail(f"{binary} has no list of crates: build it with cross/build.sh")
    listed = json.loads(zlib.decompress(section))["packages"]
    within = {(p["name"], p["version"]) for p in listed if p.get("kind", "runtime") == "runtime"}
    crates = set(Crates(triple).packages)
    if missing := sorted(crates - within):
        fail(f"{binary} does not list {missing}, which cargo links: was it built from this source?")
    print(f"linked: {binary} lists the {len(crates)} crates that are linked into it, {len(section)} bytes")


def zig(folder):
    folder = pathlib.Path(folder) / "lib"
    carried = re.search(r'"(.+)"', (folder / "libc/musl/src/internal/version.h").read_text()).group(1)
    if carried != musl_version():
        fail(f"zig {zig_version()} has musl {carried}: correct MUSL_OF_ZIG in packaging/linked.py")
    for text, its in (("musl.txt", "libc/musl/COPYRIGHT"), ("llvm.txt", "libunwind/LICENSE.TXT"),
                      ("zig.txt", "../LICENSE")):
        if read(NOTICES / text) != read(folder / its):
            fail(f"packaging/notices/{text} is not zig's lib/{its} any more: copy it")


def compiler(binary):
    print(compiler_of(binary) or fail(f"{binary} does not name its compiler"))


def numbers(version):
    """To compare versions by; what is before a release is smaller than it."""
    release, _, before = version.split("+")[0].partition("-")
    return [*map(int, release.split("."))] + [0] * (2 - release.count(".")) + [0 if before else 1]


def advisories():
    """By the dated copy: for where the database cannot be fetched."""
    text = (ROOT / "packaging/advisories.txt").read_text()
    dated = re.search(r"said on (\S+),", text).group(1)
    known, named = {}, set()
    for line in text.splitlines():
        if line.startswith("- "):
            named.update(line.split()[1:])
        elif line and not line.startswith("#"):
            crate, advisory, fixed = line.split()
            known.setdefault(crate, []).append((advisory, fixed))
    accepted = set(re.findall(r'id = "(RUSTSEC-[0-9-]+)"', (ROOT / "deny.toml").read_text()))
    locked = re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource', (ROOT / "Cargo.lock").read_text())
    affected = [f"{crate} {version}: {advisory}, fixed in {fixed}" for crate, version in locked
                for advisory, fixed in known.get(crate, []) if advisory not in accepted
                and (fixed == "none" or numbers(version) < numbers(fixed))]
    unknown = sorted({crate for crate, _ in locked} - named - set(known))
    if affected or unknown:
        fail("\n  ".join([f"by the copy of the RustSec database of {dated}:", *affected,
                          *(f"{crate}: not in packaging/advisories.txt, look it up and add it" for crate in unknown)]))
    print(f"linked: {len(locked)} crates, no advisory of the RustSec database as it was on {dated}"
          f"{', but for those that deny.toml accepts: ' + ', '.join(sorted(accepted)) if accepted else ''}")


COMMANDS = {"advisories": (advisories, 0), "sbom": (sbom, 3), "notices": (notices, 2), "check": (check, 2),
            "compiler": (compiler, 1), "zig": (zig, 1)}

if __name__ == "__main__":
    function, wanted = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0))
    if function is None or len(sys.argv) != 2 + wanted:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.stdout.reconfigure(encoding="utf-8")
    function(*sys.argv[2:])
