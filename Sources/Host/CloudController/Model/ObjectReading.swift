import JSON

/// An object of the API server that cannot be read, and why.
public struct UnreadableObject: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// How many elements of a list of an object are read; an object with more is unreadable.
let mostElements = 4096

extension JSONValue {
    /// The value at a path of keys; nil if it is not there or null.
    func at(_ keys: String...) -> JSONValue? {
        var value = self
        for key in keys {
            guard let next = value[key], next != .null else { return nil }
            value = next
        }
        return value
    }

    /// The elements of a list at a key. Nothing for a key that is not there.
    func list(_ key: String) throws(UnreadableObject) -> [JSONValue] {
        guard let value = at(key) else { return [] }
        guard let elements = value.elements, elements.count <= mostElements else {
            throw UnreadableObject("\(key) is no list of at most \(mostElements) elements")
        }
        return elements
    }

    /// A list of texts at a key.
    func texts(_ key: String) throws(UnreadableObject) -> [String] {
        var texts: [String] = []
        for element in try list(key) {
            guard let text = element.text else { throw UnreadableObject("\(key) is no list of strings") }
            texts.append(text)
        }
        return texts
    }

    /// Texts by name at a key.
    func textMap(_ key: String) throws(UnreadableObject) -> [String: String] {
        guard let value = at(key) else { return [:] }
        guard let members = value.members, members.count <= mostElements else {
            throw UnreadableObject("\(key) is not strings by name")
        }
        var map: [String: String] = [:]
        for (name, value) in members {
            guard let text = value.text else { throw UnreadableObject("\(key).\(name) is no string") }
            map[name] = text
        }
        return map
    }

    /// Amounts of resources at a key.
    func amounts(_ key: String) throws(UnreadableObject) -> ResourceAmounts {
        guard let amounts = ResourceAmounts(at(key)) else {
            throw UnreadableObject("\(key) is no list of quantities")
        }
        return amounts
    }

    /// A flag at a key; false for one that is not there.
    func flag(_ key: String) -> Bool { at(key) == .bool(true) }
}

/// What names an object of the API server.
public struct ObjectName: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var namespace: String
    public var name: String
    public var uid: String

    public init(namespace: String = "", name: String, uid: String = "") {
        self.namespace = namespace
        self.name = name
        self.uid = uid
    }

    /// - Throws: `UnreadableObject` for an object without a name.
    init(_ object: JSONValue) throws(UnreadableObject) {
        guard let name = object.at("metadata", "name")?.text, !name.isEmpty else {
            throw UnreadableObject("the object has no name")
        }
        self.name = name
        namespace = object.at("metadata", "namespace")?.text ?? ""
        uid = object.at("metadata", "uid")?.text ?? ""
    }

    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

    public static func < (one: Self, other: Self) -> Bool {
        (one.namespace, one.name, one.uid) < (other.namespace, other.name, other.uid)
    }
}
