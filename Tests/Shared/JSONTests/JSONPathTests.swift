import Foundation
import Hashing
import Testing

@testable import JSON

@Suite struct JSONPathTests {
    private static let document = #"""
        {"metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "shop", "a": "1"}},
         "spec": {"replicas": 3, "ratio": 2.5, "paused": false, "empty": "",
          "containers": [{"name": "a", "ports": [{"port": 80}, {"port": 443}]}, {"name": "b", "image": "echo"}]},
         "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Available", "status": "True"}],
          "loadBalancer": {}, "none": null}}
        """#

    private static let root = try? JSONDecoder().decode(JSONValue.self, from: Data(document.utf8))

    @Test(arguments: [
        ("{.metadata.name}", "web"), (".metadata.name", "web"), ("$.metadata.name", "web"),
        ("{ $.metadata.name }", "web"), ("{['metadata']['name']}", "web"), (".metadata.missing", nil),
        (#".metadata.labels.app\.kubernetes\.io/name"#, "shop"),
        (".metadata.labels['app.kubernetes.io/name']", "shop"), (".metadata.labels.*", "1 shop"),
        (".spec.replicas", "3"), (".spec.ratio", "2.5"), (".spec.paused", "false"), (".spec.empty", ""),
        (".status.none", "null"), (".status.loadBalancer", "{}"), (".spec.containers[0].name", "a"),
        (".spec.containers[-1].name", "b"), (".spec.containers[2].name", nil), (".spec.containers[-3].name", nil),
        (".spec.containers[*].name", "a b"), (".spec.containers[*].ports[*].port", "80 443"),
        (".spec.containers[*].ports", #"[{"port":80},{"port":443}]"#), ("..port", "80 443"),
        ("..ports[0].port", "80"), (".spec..name", "a b"), ("{..image}", "echo"),
        (#"{.status.conditions[?(@.type=="Ready")].status}"#, "False"),
        ("{.status.conditions[?(@.type=='Ready')].status}", "False"),
        (#"{.status.conditions[?( @.type != "Ready" )].status}"#, "True"),
        (".spec.containers[?(@.image)].name", "b"), (".spec.containers[0].ports[?(@.port>80)].port", "443"),
        (".spec.containers[0].ports[?(@.port>=80)].port", "80 443"),
        (".spec.containers[0].ports[?(@.port<=80)].port", "80"),
        (".spec.containers[?(@.ports[0].port==80)].name", "a"), (".spec.containers[?(@.name>1)].name", nil),
        (".spec.replicas.deeper", nil), (".spec.replicas[0]", nil), (".*.name", "web"),
    ])
    func `a path leads to what kubectl prints`(_ path: String, _ expected: String?) throws {
        let root = try #require(Self.root)
        #expect(try JSONPath(path).rendered(in: root) == expected)
    }

    @Test(arguments: [
        ("", 1, "begins with"), ("metadata.name", 1, "begins with"), ("{.a", 4, "\"}\" is missing"),
        ("{.a}b", 5, "nothing may follow"), (".a}", 3, "not expected"), (".", 2, "name is missing"),
        (".a..", 5, "name is missing"), (".a[", 4, "an index"), (".a[x]", 4, "an index"),
        (".a[0", 5, "\"]\" is missing"), (".a[0:2]", 5, "ranges"), (".a[0,1]", 5, "ranges"), (".a['b]", 4, "no end"),
        (".a[?@.b]", 5, "\"(\" is missing"), (".a[?(.b)]", 6, "begins with \"@\""),
        (".a[?(@.b=1)]", 9, "a comparison"), (".a[?(@.b==c)]", 11, "right side"),
        (".a[?(@.b==1]", 12, "not expected"), (".a[?(@.b", 9, "\")\" is missing"), ("$", 1, "nothing but the whole"),
        ("{$}", 1, "nothing but the whole"), (".a b", 4, "not expected"), (#".a\"#, 4, "after \"\\\""),
        (".a[99999999999999999999]", 4, "an index"),
    ])
    func `a mistake has its column`(_ path: String, _ column: Int, _ words: String) {
        #expect {
            _ = try JSONPath(path)
        } throws: { error in
            guard let mistake = error as? JSONPath.Mistake else { return false }
            #expect(mistake.message.contains(words), "\(mistake)")
            return mistake.column == column
        }
    }

    @Test func `length, steps, nesting and results are bounded`() throws {
        let long = "." + String(repeating: "a", count: JSONPath.longestText)
        #expect(throws: JSONPath.Mistake.self) { try JSONPath(long) }
        #expect(throws: JSONPath.Mistake.self) { try JSONPath(String(repeating: ".a", count: 70)) }
        let nested = String(repeating: ".a[?(@", count: 10) + String(repeating: ")]", count: 10)
        #expect(throws: JSONPath.Mistake.self) { try JSONPath(nested) }
        var deep = JSONValue.integer(1)
        for _ in 0..<2000 { deep = .object(["a": deep, "b": .array([.integer(1), .integer(2)])]) }
        let began = ContinuousClock.now
        #expect(try JSONPath("..*..*..*").values(in: deep).count <= JSONPath.mostValues)
        #expect(try JSONPath("..zzz").values(in: deep).isEmpty)
        #expect(ContinuousClock.now - began < .seconds(20))
    }

    @Test func `no text makes it trap`() throws {
        let root = try #require(Self.root)
        let seeds = [
            #"{.status.conditions[?(@.type=="Ready")].status}"#, ".spec.containers[-1].ports[*].port", "$..name",
            #".metadata.labels.app\.kubernetes\.io/name"#, ".a[?(@.b>=1.5)]['c']",
        ]
        let alphabet = Array(#"{}[]().*$@?'"\=<>!-0129ab é,: "#.unicodeScalars)
        var random = SplitMix64(seed: 11)
        var read = 0
        for round in 0..<10_000 {
            var scalars = Array(seeds[round % seeds.count].unicodeScalars)
            for _ in 0...Int(random.next() % 4) {
                let place = Int(random.next() % UInt64(scalars.count))
                let scalar = alphabet[Int(random.next() % UInt64(alphabet.count))]
                switch random.next() % 3 {
                case 0: scalars[place] = scalar
                case 1: scalars.insert(scalar, at: place)
                default: if scalars.count > 1 { scalars.remove(at: place) }
                }
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            if let path = try? JSONPath(String(text)) {
                read += 1
                _ = path.rendered(in: root)
            }
        }
        #expect(read > 1000 && read < 9_900)
    }
}
