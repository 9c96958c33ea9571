import Foundation
import JSON
import Testing

@Suite struct JSONValueTests {
    private func value(_ text: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    }

    @Test func `every kind of value is read`() throws {
        let read = try value(#"{"a": [null, true, 3, 2.5, "x"], "b": {}}"#)
        #expect(
            read
                == .object([
                    "a": .array([.null, .bool(true), .integer(3), .number(2.5), .string("x")]), "b": .object([:]),
                ]))
        #expect(read["a"]?.elements?.count == 5 && read["b"]?.members?.isEmpty == true && read["c"] == nil)
    }

    @Test(arguments: [
        (#"{"b":1,"a":{"d":"x/y","c":[]}}"#, #"{"a":{"c":[],"d":"x/y"},"b":1}"#), (#""a\"b""#, #""a\"b""#),
        ("[1.0,-2,1.5,null,false]", "[1,-2,1.5,null,false]"),
        ("9223372036854775807", "9223372036854775807"),
    ])
    func `the canonical text is that of every order of keys`(written: String, canonical: String) throws {
        #expect(try value(written).canonicalText == canonical)
        #expect(try value(canonical).canonicalText == canonical)
    }

    @Test func `a value becomes a type of its own`() throws {
        struct Named: Decodable, Equatable { let name: String }
        #expect(try value(#"{"name": "a", "other": 1}"#).decoded(as: Named.self) == Named(name: "a"))
        #expect(throws: DecodingError.self) { try value("{}").decoded(as: Named.self) }
    }
}
