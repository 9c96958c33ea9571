import JSON

/// Reads the fields of a JSON object. A field that is null or not there is nil; one of another type is a mistake, told
/// with its path.
struct ObjectFields {
    /// How many elements a list may have.
    static let listLimit = 4096

    let members: [String: JSONValue]
    let path: String

    init(_ value: JSONValue?, at path: String) throws(UnreadablePod) {
        guard let members = value?.members else { throw UnreadablePod(path: path, problem: "not an object") }
        self.members = members
        self.path = path
    }

    func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func value(_ key: String) -> JSONValue? {
        if let value = members[key], value != .null { value } else { nil }
    }

    func text(_ key: String) throws(UnreadablePod) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.text else { throw wrong(key, "a string") }
        return text
    }

    func requiredText(_ key: String) throws(UnreadablePod) -> String {
        guard let text = try text(key), !text.isEmpty else { throw wrong(key, "a string that is not empty") }
        return text
    }

    func bool(_ key: String) throws(UnreadablePod) -> Bool? {
        guard let value = value(key) else { return nil }
        guard case .bool(let bool) = value else { throw wrong(key, "true or false") }
        return bool
    }

    /// A whole number from 0 to 10¹², which no field of a pod exceeds.
    func count(_ key: String) throws(UnreadablePod) -> Int64? {
        guard let value = value(key) else { return nil }
        guard let number = value.integerValue, (0...1_000_000_000_000).contains(number) else {
            throw wrong(key, "a whole number from 0 to 10¹²")
        }
        return number
    }

    func port(_ key: String) throws(UnreadablePod) -> UInt16? {
        guard let value = value(key) else { return nil }
        guard let number = value.integerValue.flatMap({ UInt16(exactly: $0) }) else { throw wrong(key, "a port") }
        return number
    }

    func object(_ key: String) throws(UnreadablePod) -> ObjectFields? {
        guard let value = value(key) else { return nil }
        return try ObjectFields(value, at: place(key))
    }

    func elements(_ key: String) throws(UnreadablePod) -> [JSONValue] {
        guard let value = value(key) else { return [] }
        guard let elements = value.elements, elements.count <= Self.listLimit else {
            throw wrong(key, "a list of at most \(Self.listLimit) elements")
        }
        return elements
    }

    func objects(_ key: String) throws(UnreadablePod) -> [ObjectFields] {
        var objects: [ObjectFields] = []
        for (index, element) in try elements(key).enumerated() {
            objects.append(try ObjectFields(element, at: "\(place(key))[\(index)]"))
        }
        return objects
    }

    func list<Value>(
        _ key: String, _ read: (ObjectFields) throws(UnreadablePod) -> Value
    ) throws(UnreadablePod) -> [Value] {
        var values: [Value] = []
        for fields in try objects(key) { values.append(try read(fields)) }
        return values
    }

    func optional<Value>(
        _ key: String, _ read: (ObjectFields) throws(UnreadablePod) -> Value
    ) throws(UnreadablePod) -> Value? {
        guard let fields = try object(key) else { return nil }
        return try read(fields)
    }

    func texts(_ key: String) throws(UnreadablePod) -> [String] {
        var texts: [String] = []
        for element in try elements(key) {
            guard let text = element.text else { throw wrong(key, "a list of strings") }
            texts.append(text)
        }
        return texts
    }

    func map(_ key: String) throws(UnreadablePod) -> [String: String] {
        guard let value = value(key) else { return [:] }
        guard let members = value.members else { throw wrong(key, "strings by name") }
        var map: [String: String] = [:]
        for (name, value) in members {
            guard let text = value.text else { throw wrong(key, "strings by name") }
            map[name] = text
        }
        return map
    }

    func quantities(_ key: String) throws(UnreadablePod) -> [String: Quantity] {
        guard let value = value(key) else { return [:] }
        guard let members = value.members else { throw wrong(key, "quantities by name") }
        var quantities: [String: Quantity] = [:]
        for (name, value) in members {
            guard let quantity = Quantity(value) else { throw wrong(key + "." + name, "a quantity") }
            quantities[name] = quantity
        }
        return quantities
    }

    func wrong(_ key: String, _ expected: String) -> UnreadablePod {
        UnreadablePod(path: place(key), problem: "not \(expected)")
    }
}
