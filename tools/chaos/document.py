# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""YAML that is judged key by key: every mistake is told, with file, line and nearest known key."""
import difflib
import re

import yaml

SIZE_MAX = 1 << 20  # bytes of a document
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class BadDocument(Exception):
    """Has all that is wrong with a document, a line each."""

    def __init__(self, problems):
        super().__init__("\n".join(problems))
        self.problems = problems


def parse_duration(text):
    """Seconds, or None where it is no duration: 80ms, 3s, 1.5m, 1h."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    return float(match[1]) * UNITS[match[2]] if match else None


def nearest(word, known):
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


class Document:
    """Reads nodes into values. A reader answers None for what it could not take, and notes why."""

    def __init__(self, name, text):
        self.name, self.problems = name, []
        if len(text) > SIZE_MAX:
            raise BadDocument([f"{name}: larger than {SIZE_MAX >> 20} MiB"])
        try:
            self.root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise BadDocument([f"{name}:{line}: {error.problem}"]) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise BadDocument([f"{name}: {error}"]) from error
        if self.root is None:
            raise BadDocument([f"{name}: it is empty"])

    def complain(self, node, text):
        self.problems.append((node.start_mark.line + 1, text))

    def raise_if_bad(self):
        if self.problems:
            raise BadDocument([f"{self.name}:{line}: {text}"
                               for line, text in sorted(self.problems)])

    # A key's reader is called with its node. `needed` keys must be there.

    def mapping(self, node, readers, what, needed=()):
        values = {}
        for key, value in self.items(node, what):
            if key.value not in readers:
                self.complain(key, f"unknown key '{key.value}' of {what}"
                              + nearest(key.value, list(readers)))
                continue
            values[key.value] = readers[key.value](value)
        for name in needed:
            if isinstance(node, yaml.MappingNode) and name not in values:
                self.complain(node, f"{what} has no '{name}'")
        return values

    def named(self, node, reader, what):
        """A mapping from names that are free to what the reader makes of (name, node)."""
        values = {}
        for key, value in self.items(node, what):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", key.value):
                self.complain(key, f"'{key.value}' is no name: letters, digits, '.', '_' and '-'")
                continue
            values[key.value] = reader(key.value, value)
        return values

    def items(self, node, what):
        """The keys that are plain words, and their nodes; each once."""
        if not isinstance(node, yaml.MappingNode):
            self.complain(node, f"{what} is to be a mapping (KEY: VALUE)")
            return
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.complain(key, f"a key of {what} is no word")
            elif key.value in seen:
                self.complain(key, f"'{key.value}' is there twice")
            else:
                seen.add(key.value)
                yield key, value

    def sequence(self, node, reader, what):
        if not isinstance(node, yaml.SequenceNode):
            self.complain(node, f"{what} is to be a list")
            return []
        return [reader(item) for item in node.value]

    def text(self, node):
        if isinstance(node, yaml.ScalarNode) and node.value.strip():
            return node.value
        return self.complain(node, "a text is wanted here")

    def whole(self, low, high):
        def read(node):
            value = node.value if isinstance(node, yaml.ScalarNode) else "this"
            if not re.fullmatch(r"\d{1,18}", value) or not low <= int(value) <= high:
                return self.complain(node, f"{value} is no whole number from {low} to {high}")
            return int(value)
        return read

    def number(self, node):
        value = node.value if isinstance(node, yaml.ScalarNode) else "this"
        if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", value):
            return self.complain(node, f"{value} is no number")
        return float(value)

    def share(self, node):
        value = node.value if isinstance(node, yaml.ScalarNode) else "this"
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", value)
        if not match or float(match[1]) > 100:
            return self.complain(node, f"{value} is no share; write 2% or 0.5%")
        return float(match[1]) / 100

    def duration(self, node):
        value = node.value if isinstance(node, yaml.ScalarNode) else "this"
        seconds = parse_duration(value)
        if seconds is None:
            return self.complain(node, f"{value} is no duration; write 80ms, 3s, 1.5m or 1h")
        return seconds

    def duration_or_none(self, node):
        if isinstance(node, yaml.ScalarNode) and node.value == "none":
            return None
        return self.duration(node)

    def span(self, reader, what):
        """[LEAST, MOST], or one value that is both."""
        def read(node):
            if isinstance(node, yaml.ScalarNode):
                value = reader(node)
                return None if value is None else (value, value)
            ends = self.sequence(node, reader, what)
            if len(ends) != 2 or None in ends or ends[0] > ends[1]:
                return self.complain(node, f"{what} is to be [LEAST, MOST]")
            return tuple(ends)
        return read

    def one_of(self, *words):
        def read(node):
            value = node.value if isinstance(node, yaml.ScalarNode) else "this"
            if value not in words:
                return self.complain(node, f"'{value}' is none of {', '.join(words)}"
                                     + nearest(value, words))
            return value
        return read
