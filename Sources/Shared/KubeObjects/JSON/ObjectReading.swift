// How objects of which a cluster has tens of thousands are read without `Codable`. Every key that `init(from:)` knows
// is known here; keys that come twice, `null` and what is left out mean the same.

extension KubeObject {
    /// Kinds of which there are few are left to `JSONDecoder`.
    public static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> Self { throw UnusualJSON() }
}

extension JSONReader {
    /// As `OrEmpty`: `null` is empty.
    mutating func list<Element>(
        _ element: (inout JSONReader) throws(UnusualJSON) -> Element
    ) throws(UnusualJSON) -> [Element] {
        try optional { reader throws(UnusualJSON) in
            var list: [Element] = []
            try reader.array { reader throws(UnusualJSON) in list.append(try element(&reader)) }
            return list
        } ?? []
    }

    mutating func strings() throws(UnusualJSON) -> [String] {
        try list { reader throws(UnusualJSON) in try reader.string() }
    }

    mutating func stringTable() throws(UnusualJSON) -> [String: String] {
        try optional { reader throws(UnusualJSON) in
            var table: [String: String] = [:]
            try reader.object { key, reader throws(UnusualJSON) in table[try key.text()] = try reader.string() }
            return table
        } ?? [:]
    }

    mutating func optionalString() throws(UnusualJSON) -> String? {
        try optional { reader throws(UnusualJSON) in try reader.string() }
    }

    mutating func optionalBool() throws(UnusualJSON) -> Bool? {
        try optional { reader throws(UnusualJSON) in try reader.bool() }
    }

    mutating func optionalInteger<Number: FixedWidthInteger>() throws(UnusualJSON) -> Number? {
        try optional { reader throws(UnusualJSON) in try reader.integer() as Number }
    }

    /// One of a set of words.
    mutating func word<Word: RawRepresentable<String>>(
        _ type: Word.Type = Word.self
    ) throws(UnusualJSON) -> Word {
        guard let word = Word(rawValue: try string()) else { throw UnusualJSON() }
        return word
    }

    mutating func optionalWord<Word: RawRepresentable<String>>(
        _ type: Word.Type = Word.self
    ) throws(UnusualJSON) -> Word? {
        try optional { reader throws(UnusualJSON) in try reader.word() }
    }
}

extension ObjectKey {
    public static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> ObjectKey {
        var (namespace, name): (String?, String?)
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "namespace": namespace = try reader.string()
            case "name": name = try reader.string()
            default: try reader.skip()
            }
        }
        guard let namespace, let name else { throw UnusualJSON() }
        return ObjectKey(namespace: namespace, name: name)
    }
}

extension ObjectMeta {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> ObjectMeta {
        var name: String?
        var meta = ObjectMeta(name: "")
        try reader.object { key, reader throws(UnusualJSON) in
            switch key {
            case "name": name = try reader.string()
            case "namespace": meta.namespace = try reader.optionalString() ?? ""
            case "labels": meta.labels = try reader.stringTable()
            case "annotations": meta.annotations = try reader.stringTable()
            case "uid": meta.uid = try reader.optionalString()
            case "deletionTimestamp": meta.deletionTimestamp = try reader.optionalString()
            default: try reader.skip()
            }
        }
        guard let name else { throw UnusualJSON() }
        meta.name = name
        return meta
    }
}

extension IntOrString {
    static func read(_ reader: inout JSONReader) throws(UnusualJSON) -> IntOrString {
        if reader.isAtString { return .text(try reader.string()) }
        return .integer(try reader.integer())
    }
}
