import Foundation
import Testing

@testable import KubeObjects

/// Optional and list, so that the structures in them can be found.
private protocol Holder { static var held: Any.Type { get } }
extension Optional: Holder { static var held: Any.Type { Wrapped.self } }
extension Array: Holder { static var held: Any.Type { Element.self } }

/// Lists the fields that have a property, and the structures in them.
private struct FieldLister: FieldVisitor {
    var names: [String] = []
    var parts: [any FieldStruct.Type] = []

    mutating func visit<Value: FieldValue>(
        _ name: StaticString, _ value: inout Value, isRequired: Bool, _ manifest: () -> ManifestField
    ) throws(UnreadableValue) {
        names.append(name.description)
        var type: Any.Type = Value.self
        while let holder = type as? any Holder.Type { type = holder.held }
        if let part = type as? any FieldStruct.Type { parts.append(part) }
    }
}

@Suite struct FieldStructTests {
    @Test("every stored property has its line, under its own name", arguments: ObjectKind.allCases)
    func everyPropertyHasALine(kind: ObjectKind) throws {
        var open: [any FieldStruct.Type] = [kind.type]
        var seen: Set<String> = []
        while let type = open.popLast() {
            guard seen.insert("\(type)").inserted else { continue }
            let (properties, fields) = try Self.listing(type)
            #expect(properties.sorted() == fields.names.sorted(), "\(type)")
            #expect(fields.names.count <= 64, "\(type) has more fields than FieldReader has bits")
            open += fields.parts
        }
        // An object has at least its metadata.
        #expect(seen.contains("ObjectMeta"))
    }

    private static func listing<Struct: FieldStruct>(
        _ type: Struct.Type
    ) throws -> (properties: [String], fields: FieldLister) {
        var value = Struct()
        var lister = FieldLister()
        try value.visitFields(&lister)
        return (Mirror(reflecting: value).children.compactMap(\.label), lister)
    }

    @Test("the reader and the decoder agree about the least object of each kind", arguments: ObjectKind.allCases)
    func readersAgree(kind: ObjectKind) throws { try Self.compare(kind.type) }

    private static func compare<Object: KubeObject>(_ type: Object.Type) throws {
        let text = Array(#"{"metadata":{"name":"a","uid":"1"},"spec":{},"addressType":"IPv4","unknown":[{}]}"#.utf8)
        let read = try JSONReader.read(text) { reader throws(UnreadableValue) in try Object.read(&reader) }
        #expect(try read == JSONDecoder().decode(Object.self, from: Data(text)))
        #expect(read.key.name == "a")
    }

    @Test("what is required is missed by both readers", arguments: ObjectKind.allCases)
    func missingName(kind: ObjectKind) { Self.refuse(kind.type) }

    private static func refuse<Object: KubeObject>(_ type: Object.Type) {
        let text = Array(#"{"metadata":{},"spec":{},"addressType":"IPv4"}"#.utf8)
        #expect(throws: UnreadableValue.self) {
            try JSONReader.read(text) { reader throws(UnreadableValue) in try Object.read(&reader) }
        }
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(Object.self, from: Data(text)) }
    }

    @Test func aPortThatIsZeroIsLeftOut() throws {
        let text = #"{"port":80,"targetPort":0,"nodePort":0}"#
        let port = try JSONDecoder().decode(Service.Port.self, from: Data(text.utf8))
        #expect(port.targetPort == .integer(80) && port.nodePort == nil)
    }

    @Test func aManifestMayNotHaveWhatTheServerSets() {
        #expect(ObjectMeta.objectShape["uid"] == nil && ObjectMeta.objectShape["labels"] != nil)
        #expect(Service.Spec.objectShape.refused.contains("healthCheckNodePort"))
    }
}
