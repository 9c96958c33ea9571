import Foundation
import Hashing
import JSON
import Testing

@Suite struct JSONTextTests {
    private func value(_ text: String, limits: JSONText.Limits = .init()) throws -> JSONValue {
        try JSONText.value(of: Array(text.utf8), limits: limits)
    }

    @Test func `every kind of value is read and written`() throws {
        let text = #" { "a" : [ null , true , false, 3, -2.5, "x" ] , "b" : {} , "c":[] } "#
        let read = try value(text)
        #expect(
            read
                == .object([
                    "a": .array([.null, .bool(true), .bool(false), .integer(3), .number(-2.5), .string("x")]),
                    "b": .object([:]), "c": .array([]),
                ]))
        let written = String(decoding: JSONText.octets(of: read), as: UTF8.self)
        #expect(written == #"{"a":[null,true,false,3,-2.5,"x"],"b":{},"c":[]}"#)
        #expect(try JSONText.value(of: JSONText.octets(of: read, sortedKeys: false)) == read)
    }

    @Test(arguments: [
        ("0", JSONValue.integer(0)), ("-0", .integer(0)), ("-1", .integer(-1)), ("1.0", .integer(1)),
        ("1e3", .integer(1000)), ("1E+2", .integer(100)), ("5e-1", .number(0.5)), ("0.1", .number(0.1)),
        ("999999999999999999", .integer(999_999_999_999_999_999)),
        ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
        ("9223372036854775808", .number(9_223_372_036_854_775_808)),
        ("9007199254740993", .integer(9_007_199_254_740_993)), ("1e-400", .integer(0)),
    ])
    func `numbers are exact`(text: String, number: JSONValue) throws {
        #expect(try value(text) == number)
        #expect(try value("[\(text)]") == .array([number]))
    }

    @Test(arguments: [
        (#""""#, ""), (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{c}\n\r\t"), (#""\u00e9\u20AC\uD83D\uDE00""#, "é€😀"),
        (#""é€😀""#, "é€😀"), (#""\u0000""#, "\0"),
    ])
    func `text is read, and again after it was written`(text: String, plain: String) throws {
        #expect(try value(text) == .string(plain))
        #expect(try JSONText.value(of: JSONText.octets(of: .string(plain))) == .string(plain))
        #expect(try value("{\(text):1}") == .object([plain: .integer(1)]))
    }

    @Test(arguments: [
        "", " ", "nul", "nulL", "True", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "1 2", "[1,]", "[1 2]", "[",
        "{", "{}}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1 \"b\":2}", "'a'", "\"", "\"\\", "\"\\x\"",
        "\"\\u12\"", "\"\\u12g4\"", "\"\\uD83D\"", "\"\\uD83D\\u0041\"", "\"\\uDE00\"", "\"\n\"",
        "NaN", "//", "[1]x", "\u{FEFF}1",
    ])
    func `what is not JSON is a mistake`(text: String) {
        #expect(throws: JSONText.Mistake.self) { try value(text) }
        #expect(throws: JSONText.Mistake.self) {
            try JSONText.read(Array(text.utf8)) { cursor throws(JSONText.Mistake) in try cursor.skip() }
        }
    }

    /// They are JSON all the same, so passing over them is no mistake.
    @Test(arguments: ["1e400", "-1e400", String(repeating: "9", count: 401)])
    func `numbers that nothing can hold are not read`(text: String) throws {
        #expect(throws: JSONText.Mistake.self) { try value(text) }
        let octets = Array(text.utf8)
        let range = try JSONText.read(octets) { cursor throws(JSONText.Mistake) in try cursor.skip() }
        #expect(range == 0..<octets.count)
    }

    @Test func `octets that are not UTF-8 are a mistake`() {
        for octets: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0xFF]] {
            #expect(throws: JSONText.Mistake.self) { try JSONText.value(of: octets) }
        }
    }

    @Test func `the last of equal keys counts`() throws {
        #expect(try value(#"{"a":1,"\u0061":2}"#) == .object(["a": .integer(2)]))
    }

    @Test func `depth, octets and values are bounded`() throws {
        var limits = JSONText.Limits()
        limits.depth = 3
        #expect(try value("[[[1]]]", limits: limits) == .array([.array([.array([.integer(1)])])]))
        #expect(throws: JSONText.Mistake.self) { try value("[[[[1]]]]", limits: limits) }
        #expect(throws: JSONText.Mistake.self) { try value(#"{"a":[{"b":[]}]}"#, limits: limits) }
        #expect(throws: JSONText.Mistake.self) { try value(String(repeating: "[", count: 1_000_000)) }
        #expect(throws: JSONText.Mistake.self) { try value(String(repeating: "{\"a\":", count: 1_000_000)) }
        limits.octets = 4
        #expect(try value("1234", limits: limits) == .integer(1234))
        #expect(throws: JSONText.Mistake.self) { try value("12345", limits: limits) }
        limits = JSONText.Limits()
        limits.values = 3
        #expect(try value("[1,2,3]", limits: limits).elements?.count == 3)
        #expect(throws: JSONText.Mistake.self) { try value("[1,[2,3]]", limits: limits) }
        #expect(throws: JSONText.Mistake.self) { try value(String(repeating: "9", count: 5000)) }
    }

    @Test func `a mistake names its place`() {
        #expect {
            try value(#"{"a": [1, x]}"#)
        } throws: { error in
            (error as? JSONText.Mistake)?.offset == 10
        }
    }

    @Test func `a cursor passes over what nobody reads`() throws {
        let octets = Array(#"{"kind":"A","items":[{"x":[1]}, 2 ],"n":5}"#.utf8)
        var kind: String?
        var items: [String] = []
        try JSONText.read(octets) { cursor throws(JSONText.Mistake) in
            try cursor.object { key, cursor throws(JSONText.Mistake) in
                switch key {
                case "kind", "n": kind = try cursor.stringIfAny() ?? kind
                case "items":
                    try cursor.array { cursor throws(JSONText.Mistake) in
                        items.append(String(decoding: octets[try cursor.skip()], as: UTF8.self))
                    }
                default: try cursor.skip()
                }
            }
        }
        #expect(kind == "A" && items == [#"{"x":[1]}"#, "2"])
    }

    /// Both readers must see the same value. `JSONDecoder` takes some texts that are not JSON; those that this reader
    /// takes, it must take as well.
    @Test func `mutated texts never trap, and are read as JSONDecoder reads them`() throws {
        var random = SplitMix64(seed: 11)
        let text = Array(
            #"{"kind":"Pod","metadata":{"name":"a\u00e9\n","n":[1,-2.5,1e3,null,true,{"é":"😀"}]},"x":18446744073709551615}"#
                .utf8)
        var read = 0
        for turn in 0..<10_000 {
            var octets = text
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                let place = Int.random(in: 0..<octets.count, using: &random)
                switch turn % 3 {
                case 0: octets[place] = .random(in: 0...255, using: &random)
                case 1: octets[place] = octets[Int.random(in: 0..<octets.count, using: &random)]
                default: octets.remove(at: place)
                }
            }
            if turn % 5 == 0 { octets = Array(octets.prefix(.random(in: 0...octets.count, using: &random))) }
            let value = try? JSONText.value(of: octets)
            let skipped = try? JSONText.read(octets) { cursor throws(JSONText.Mistake) in try cursor.skip() }
            guard let value else { continue }
            #expect(skipped != nil)
            read += 1
            #expect(try JSONText.value(of: JSONText.octets(of: value)) == value)
            // Foundation's choice among equal keys is its own.
            if let other = try? JSONDecoder().decode(JSONValue.self, from: Data(octets)),
                other.canonicalText.utf8.count == value.canonicalText.utf8.count
            {
                #expect(other == value)
            }
        }
        #expect(read > 1000)
    }
}
