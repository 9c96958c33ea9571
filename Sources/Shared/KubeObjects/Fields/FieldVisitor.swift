import Shapes

/// Goes over the fields of a structure, to read, write or list them.
public protocol FieldVisitor {
    /// Visits a field that has a property.
    /// - Parameters:
    ///   - name: The field's key in JSON and YAML.
    ///   - value: The property.
    ///   - isRequired: Whether the structure is malformed without the field.
    ///   - manifest: What a manifest may have for the field. It is asked only by visitors that need it.
    mutating func visit<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, isRequired: Bool, _ manifest: () -> ManifestField
    ) throws(UnreadableValue)

    /// Visits fields that have no property. The list is asked for only by visitors that need it.
    mutating func visitUnread(_ fields: () -> [(name: StaticString, manifest: ManifestField)])
}

/// What a manifest may have for a field.
public enum ManifestField {
    case known(Field)
    /// It is refused, with the structure's reason.
    case refused
    /// The field is unknown in manifests.
    case unknown
}

extension FieldVisitor {
    @inline(__always)
    public mutating func visitUnread(_ fields: () -> [(name: StaticString, manifest: ManifestField)]) {}

    /// Describes a field that may be left out. The property then keeps the value that it has in a new structure.
    /// - Parameters:
    ///   - shape: What a manifest may say, if that is less than the type allows.
    ///   - isNeeded: Whether a manifest must have the field, though an API server may leave it out.
    ///   - help: What the field means, or its value when it is left out.
    @inline(__always)
    public mutating func field<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, as shape: @autoclosure () -> Shape = Value.shape,
        isNeeded: Bool = false, _ help: @autoclosure () -> String
    ) throws(UnreadableValue) {
        try visit(name, &value, isRequired: false) {
            .known(Field(name.description, shape(), required: isNeeded, help()))
        }
    }

    /// Describes a field without which the structure is malformed.
    @inline(__always)
    public mutating func required<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, as shape: @autoclosure () -> Shape = Value.shape,
        _ help: @autoclosure () -> String
    ) throws(UnreadableValue) {
        try visit(name, &value, isRequired: true) { .known(Field(name.description, shape(), required: true, help())) }
    }

    /// Describes a field that only an API server sets.
    @inline(__always)
    public mutating func serverOnly<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, isRequired: Bool = false
    ) throws(UnreadableValue) {
        try visit(name, &value, isRequired: isRequired) { .unknown }
    }

    /// Describes a field that is read, and that manifests may not have.
    @inline(__always)
    public mutating func refused<Value: FieldValue>(_ name: StaticString, _ value: inout Value) throws(UnreadableValue)
    {
        try visit(name, &value, isRequired: false) { .refused }
    }

    /// Names fields that are not read, and that manifests may not have.
    @inline(__always)
    public mutating func refused(_ names: @autoclosure () -> [StaticString]) {
        visitUnread { names().map { ($0, .refused) } }
    }

    /// Describes a field that manifests may have and that has no effect.
    @inline(__always)
    public mutating func accepted(
        _ name: StaticString, as shape: @autoclosure () -> Shape,
        _ help: @autoclosure () -> String = "Accepted, not acted on."
    ) {
        visitUnread { [(name, .known(Field(name.description, shape(), help())))] }
    }

    /// Names fields that manifests may have, with any value, and that have no effect.
    @inline(__always)
    public mutating func accepted(_ names: @autoclosure () -> [StaticString]) {
        visitUnread { names().map { ($0, .known(Field($0.description, .any, "Accepted, not acted on."))) } }
    }
}

/// Lists what manifests may have.
struct ShapeVisitor: FieldVisitor {
    var fields: [Field] = []
    var refused: [String] = []

    mutating func visit<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, isRequired: Bool, _ manifest: () -> ManifestField
    ) throws(UnreadableValue) {
        list(name, manifest())
    }

    mutating func visitUnread(_ fields: () -> [(name: StaticString, manifest: ManifestField)]) {
        for field in fields() { list(field.name, field.manifest) }
    }

    private mutating func list(_ name: StaticString, _ manifest: ManifestField) {
        switch manifest {
        case .known(let field): fields.append(field)
        case .refused: refused.append(name.description)
        case .unknown: break
        }
    }
}

/// Reads the value of one key, if the key is a field's.
struct FieldReader: FieldVisitor {
    var source: JSONReader
    let key: JSONKey
    /// The fields that have been read, a bit each, in the order in which they are visited.
    var seen: UInt64
    /// Whether the key was a field's.
    private(set) var isRead = false
    private var bit: UInt64 = 1

    @inline(__always)
    init(source: JSONReader, key: JSONKey, seen: UInt64) {
        self.source = source
        self.key = key
        self.seen = seen
    }

    @inline(__always)
    mutating func visit<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, isRequired: Bool, _ manifest: () -> ManifestField
    ) throws(UnreadableValue) {
        let mine = bit
        bit &<<= 1
        if isRead || !source.isKey(key, name) { return }
        guard seen & mine == 0 else { throw source.failure("\(name) is given twice") }
        seen |= mine
        isRead = true
        if !isRequired, try source.takeNull() { return }
        value = try Value.read(from: &source)
    }
}

/// Finds a required field that has not been read.
struct MissingField: FieldVisitor {
    let seen: UInt64
    private(set) var name: StaticString?
    private var bit: UInt64 = 1

    @inline(__always)
    init(seen: UInt64) { self.seen = seen }

    @inline(__always)
    mutating func visit<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, isRequired: Bool, _ manifest: () -> ManifestField
    ) throws(UnreadableValue) {
        if isRequired, seen & bit == 0 { self.name = name }
        bit &<<= 1
    }
}

/// The key of a field in `Codable`'s containers.
struct FieldKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(_ name: StaticString) { stringValue = name.description }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

struct FieldDecoder: FieldVisitor {
    let container: KeyedDecodingContainer<FieldKey>

    mutating func visit<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, isRequired: Bool, _ manifest: () -> ManifestField
    ) throws(UnreadableValue) {
        do {
            if isRequired {
                value = try container.decode(Value.self, forKey: FieldKey(name))
            } else if let given = try container.decodeIfPresent(Value.self, forKey: FieldKey(name)) {
                value = given
            }
        } catch {
            throw UnreadableValue(error)
        }
    }
}

struct FieldEncoder: FieldVisitor {
    var container: KeyedEncodingContainer<FieldKey>

    mutating func visit<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, isRequired: Bool, _ manifest: () -> ManifestField
    ) throws(UnreadableValue) {
        if value.isLeftOut { return }
        do { try container.encode(value, forKey: FieldKey(name)) } catch { throw UnreadableValue(error) }
    }
}
