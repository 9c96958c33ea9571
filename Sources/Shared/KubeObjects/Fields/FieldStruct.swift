import Shapes

/// A structure of the Kubernetes API that is described once, by `visitFields`. Decoding, encoding, the fast reader of
/// JSON, the reader of manifests, the shape that manifests are checked against and the JSON Schema all follow from that
/// one description.
///
/// A new field is a stored property with the value that it has when it is left out, and a line in `visitFields`.
///
/// What happens to a field depends on its line:
/// - `field` and `required` are read into a property, and written from it.
/// - `serverOnly` is read and written, too, but only an API server sets it, so a manifest that has it is refused like
///   one with a mistyped key.
/// - `accepted` names a field that a manifest may have. It has no effect, and is not kept.
/// - `refused` names a field that a manifest may not have, because leaving it out of account would change what is
///   measured. The message says why. If the line has a property, the field is still read from JSON.
/// - A field without a line is a mistake in a manifest, and the nearest name is suggested. In JSON, which comes from
///   an API server or an agent, it is passed over and not kept.
public protocol FieldStruct: FieldValue {
    /// Makes a structure of which no field is given. A required field has some value of its type until it is read;
    /// reading fails if it is not there.
    init()

    /// What messages and JSON Schemas say about the structure.
    static var about: StructDescription { get }

    /// Fields that manifests have and that are in no property: `apiVersion` and `kind`.
    static var header: [Field] { get }

    /// Calls the visitor once for each field, always in the same order. There may be at most 64 fields.
    mutating func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) throws(UnreadableValue)

    /// Completes a structure that has been read by what the API server fills in and what follows from other fields.
    mutating func fillIn()
}

/// What messages and JSON Schemas say about a structure.
public struct StructDescription: Sendable {
    /// What it is called: `Service's spec`.
    public let name: String
    /// What it is for, one sentence.
    public let help: String
    /// Keys of which a manifest must have at least one. Empty if there is no such rule.
    public let oneOf: [String]
    /// Why the refused fields are refused.
    public let refusal: String

    public init(_ name: String, _ help: String, oneOf: [String] = [], refusal: String = "no pod is placed by it") {
        self.name = name
        self.help = help
        self.oneOf = oneOf
        self.refusal = refusal
    }
}

extension FieldStruct {
    public static var header: [Field] { [] }
    public mutating func fillIn() {}

    /// What a manifest's mapping for this structure must be.
    public static var objectShape: ObjectShape {
        var visitor = ShapeVisitor()
        var blank = Self()
        // This visitor never throws.
        try? blank.visitFields(&visitor)
        return ObjectShape(
            name: about.name, help: about.help, fields: header + visitor.fields, oneOf: about.oneOf,
            refused: visitor.refused, refusal: about.refusal)
    }

    public static var shape: Shape { .object(objectShape) }

    @inline(__always)
    public static func read(from source: inout JSONReader) throws(UnreadableValue) -> Self {
        var value = Self()
        var seen: UInt64 = 0
        try source.members { key, source throws(UnreadableValue) in
            var reader = FieldReader(source: source, key: key, seen: seen)
            try value.visitFields(&reader)
            (source, seen) = (reader.source, reader.seen)
            if !reader.isRead { try source.skip() }
        }
        var check = MissingField(seen: seen)
        try value.visitFields(&check)
        if let name = check.name { throw source.failure("\(name) is missing") }
        value.fillIn()
        return value
    }

    public init(from decoder: any Decoder) throws {
        var visitor = FieldDecoder(container: try decoder.container(keyedBy: FieldKey.self))
        self.init()
        do { try visitFields(&visitor) } catch { throw error.reason ?? error }
        fillIn()
    }

    public func encode(to encoder: any Encoder) throws {
        var visitor = FieldEncoder(container: encoder.container(keyedBy: FieldKey.self))
        var value = self
        do { try value.visitFields(&visitor) } catch { throw error.reason ?? error }
    }
}
