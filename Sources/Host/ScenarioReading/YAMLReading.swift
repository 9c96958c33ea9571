import CYaml
import Yams

/// Reads a file's bytes into values, with the place of every mistake.
///
/// A hostile file cannot exhaust it: a file has at most 1 MiB, 64 levels, 16 aliases, and 100 000 nodes after the
/// aliases are expanded.
package struct YAMLReading {
    package static let byteLimit = 1 << 20
    package static let depthLimit = 64
    package static let aliasLimit = 16
    /// The largest size of a file with aliases, in bytes. Expanding them multiplies what is hashed and compared.
    package static let aliasedByteLimit = 64 << 10
    package static let nodeLimit = 100_000
    /// How many duplicate keys the reader gets past, and how many bytes it may read again for that (see `mend`).
    private static let mendLimit = 16
    private static let mendByteLimit = 512 << 10

    package let file: String
    package private(set) var documents: [YAMLValue] = []
    package private(set) var problems: [Problem] = []
    private var nodes = 0
    /// The keys that `mend` changed, by the character that stands for their first one.
    private var mended: [UnicodeScalar: String] = [:]

    package init(_ bytes: [UInt8], file: String) {
        self.file = file
        guard let text = checkedText(Self.withoutByteOrderMark(bytes)) else { return }
        let roots = compose(text)
        for root in roots {
            guard let value = value(of: root, depth: 0, name: "the file") else { break }
            documents.append(value)
        }
    }

    private mutating func report(_ place: Place, _ message: String, expected: String? = nil) {
        problems.append(
            Problem(file: file, line: place.line, column: place.column, message: message, expected: expected))
    }

    // MARK: Bytes

    /// Editors of Windows begin a file with U+FEFF, which is no part of its text.
    private static func withoutByteOrderMark(_ bytes: [UInt8]) -> [UInt8] {
        bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    }

    private mutating func checkedText(_ bytes: [UInt8]) -> String? {
        let start = Place(line: 1, column: 1)
        guard bytes.count <= Self.byteLimit else {
            report(start, "the file has more than \(Self.byteLimit) bytes")
            return nil
        }
        for (index, byte) in bytes.enumerated() where (byte < 32 && ![9, 10, 13].contains(byte)) || byte == 127 {
            report(Self.place(of: index, in: bytes), "control character \(byte) in the file", expected: "UTF-8 text")
            return nil
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            report(Self.place(of: Self.firstInvalid(in: bytes), in: bytes), "the file is not UTF-8 text")
            return nil
        }
        let (aliases, tag) = Self.aliasesAndTag(in: bytes)
        if let tag {
            report(tag, "YAML tags have no effect here", expected: "a value without a tag; put text in quotes")
            return nil
        }
        if aliases.count > Self.aliasLimit {
            report(aliases[Self.aliasLimit], "more than \(Self.aliasLimit) YAML aliases in the file")
            return nil
        }
        if let first = aliases.first, bytes.count > Self.aliasedByteLimit {
            report(first, "YAML aliases in a file of more than \(Self.aliasedByteLimit) bytes")
            return nil
        }
        return text
    }

    private static func place(of index: Int, in bytes: [UInt8]) -> Place {
        let before = bytes[..<index]
        let lineStart = before.lastIndex(of: 10).map { $0 + 1 } ?? 0
        return Place(line: before.count { $0 == 10 } + 1, column: before[lineStart...].count { $0 & 0xC0 != 0x80 } + 1)
    }

    /// The index of the first byte that is not UTF-8.
    private static func firstInvalid(in bytes: [UInt8]) -> Int {
        var parser = Unicode.UTF8.ForwardParser()
        var rest = bytes.makeIterator()
        var index = 0
        while case .valid(let scalar) = parser.parseScalar(from: &rest) { index += scalar.count }
        return index
    }

    /// The places of the file's aliases, up to one more than may be there, and of its first tag (`!!str`, `!foo`).
    /// Both are looked for up to the first mistake in the file's syntax.
    ///
    /// They are taken from libyaml's events, because composing nodes expands aliases and adds tags of its own.
    private static func aliasesAndTag(in bytes: [UInt8]) -> (aliases: [Place], tag: Place?) {
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else { return ([], nil) }
        defer { yaml_parser_delete(&parser) }
        return bytes.withUnsafeBufferPointer { buffer in
            yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
            var aliases: [Place] = []
            var event = yaml_event_t()
            while aliases.count <= aliasLimit, yaml_parser_parse(&parser, &event) == 1 {
                let place = Place(line: Int(event.start_mark.line) + 1, column: Int(event.start_mark.column) + 1)
                let (type, isTagged) = (event.type, isTagged(event))
                yaml_event_delete(&event)
                if type == YAML_STREAM_END_EVENT { break }
                if type == YAML_ALIAS_EVENT { aliases.append(place) }
                if isTagged { return (aliases, place) }
            }
            return (aliases, nil)
        }
    }

    private static func isTagged(_ event: yaml_event_t) -> Bool {
        switch event.type {
        case YAML_SCALAR_EVENT: event.data.scalar.tag != nil
        case YAML_SEQUENCE_START_EVENT: event.data.sequence_start.tag != nil
        case YAML_MAPPING_START_EVENT: event.data.mapping_start.tag != nil
        default: false
        }
    }

    // MARK: Yams

    private mutating func compose(_ original: String) -> [Node] {
        var text = original
        let mends = min(Self.mendLimit, Self.mendByteLimit / max(1, original.utf8.count))
        for attempt in 0...mends {
            do {
                // Without a resolver's rules: scalars keep their text, and keys hash without regular expressions.
                let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
                var roots: [Node] = []
                while roots.count < 200, let root = try parser.nextRoot() { roots.append(root) }
                return roots
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                let place = Place(line: context.mark.line, column: context.mark.column)
                guard attempt < mends, let name = names.first,
                    let next = mend(text, at: place, name: name, attempt: attempt)
                else {
                    report(place, "duplicate key \"\(names.first ?? "")\"")
                    return []
                }
                text = next
            } catch {
                report(syntax: error, in: text)
                return []
            }
        }
        return []
    }

    /// Yams ends at the first mapping with a duplicate key. To find the other mistakes too, the key's first character
    /// is exchanged for one that no file needs, and the file is read again; `entries` undoes it.
    private mutating func mend(_ text: String, at place: Place, name: String, attempt: Int) -> String? {
        guard let stand = UnicodeScalar(0xE000 + attempt), !text.unicodeScalars.contains(stand) else { return nil }
        var scalars = Array(text.unicodeScalars)
        var index = 0
        var line = 1
        while line < place.line, index < scalars.count {
            if scalars[index] == "\n" { line += 1 }
            index += 1
        }
        index += place.column - 1
        guard scalars.indices.contains(index) else { return nil }
        if scalars[index] == "\"" || scalars[index] == "'" { index += 1 }
        guard scalars.indices.contains(index), scalars[index] == name.unicodeScalars.first,
            scalars[index].properties.isAlphabetic || scalars[index].properties.numericType != nil
        else { return nil }
        scalars[index] = stand
        mended[stand] = name
        return String(String.UnicodeScalarView(scalars))
    }

    private mutating func report(syntax error: any Error, in text: String) {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _),
            YamlError.composer(let context, let problem, let mark, _):
            let while_ = context.map { ", " + $0.text } ?? ""
            let clean = problem.hasPrefix("Maximum nesting") ? "nested too deeply" : problem
            report(Place(line: mark.line, column: mark.column), "not valid YAML: \(clean)\(while_)")
        case YamlError.reader(let problem, let offset, _, _):
            let before = text.prefix(offset ?? 0)
            let line = before.count { $0.isNewline } + 1
            let column = before.reversed().prefix { !$0.isNewline }.count + 1
            report(Place(line: line, column: column), "not valid YAML: \(problem)")
        default:
            report(Place(line: 1, column: 1), "not valid YAML: \(error)")
        }
    }

    // MARK: Values

    private mutating func value(of node: Node, depth: Int, name: String) -> YAMLValue? {
        let place = Place(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
        nodes += 1
        guard nodes <= Self.nodeLimit else {
            if nodes == Self.nodeLimit + 1 { report(place, "more than \(Self.nodeLimit) YAML nodes in the file") }
            return nil
        }
        guard depth <= Self.depthLimit else {
            report(place, "nested more than \(Self.depthLimit) levels deep")
            nodes = Self.nodeLimit + 1
            return nil
        }
        switch node {
        case .scalar(let scalar):
            let plain = scalar.style == .plain
            return YAMLValue(content: .scalar(scalar.string, plain: plain), place: place)
        case .sequence(let sequence):
            var items: [YAMLValue] = []
            for item in sequence {
                guard let item = value(of: item, depth: depth + 1, name: "an item of \(name)") else { return nil }
                items.append(item)
            }
            return YAMLValue(content: .list(items), place: place)
        case .mapping(let mapping):
            return entries(of: mapping, depth: depth, name: name)
                .map { YAMLValue(content: .map($0), place: place) }
        case .alias:
            report(place, "an alias without its anchor")
            return nil
        }
    }

    private mutating func entries(of mapping: Node.Mapping, depth: Int, name: String) -> [YAMLValue.Entry]? {
        var entries: [YAMLValue.Entry] = []
        var firstLine: [String: Int] = [:]
        for (keyNode, valueNode) in mapping {
            let place = Place(line: keyNode.mark?.line ?? 1, column: keyNode.mark?.column ?? 1)
            guard case .scalar(let scalar) = keyNode else {
                report(place, "a key of \(name) is not text")
                continue
            }
            let key = scalar.string.unicodeScalars.first.flatMap { mended[$0] } ?? scalar.string
            guard let value = value(of: valueNode, depth: depth + 1, name: key) else { return nil }
            if let line = firstLine[key] {
                report(place, "duplicate key \"\(key)\", first given in line \(line)")
                continue
            }
            firstLine[key] = place.line
            entries.append(YAMLValue.Entry(key: key, keyPlace: place, value: value))
        }
        return entries
    }
}
