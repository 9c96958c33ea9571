import Hashing
import ScenarioReading
import ShippedScenarios
import Testing

@testable import Scenario

@Suite struct HostileFileTests {
    private static let parser = ScenarioParser(faults: testFaults, profiles: ScenarioLoader.labProfiles)

    @Test("500 mutated scenario files end in a verdict", arguments: 0..<10)
    func mutations(round: Int) throws {
        var random = SplitMix64(seed: 4711 + UInt64(round))
        for index in 0..<50 {
            let name = ShippedScenarios.names[index % ShippedScenarios.names.count]
            let bytes = try #require(ShippedScenarios.bytes(of: name))
            let mutated: [UInt8]
            if index.isMultiple(of: 2) {
                mutated = Mutation.bytes(bytes, &random)
            } else {
                let tree = try #require(YAMLReading(bytes, file: "x").documents.first)
                mutated = Array(Mutation.text(Mutation.tree(Mutation.tree(tree, &random), &random)).utf8)
            }
            let parsed = Self.parser.parse(mutated, file: "x.yaml")
            #expect((parsed.scenario == nil) == parsed.problems.contains { $0.severity == .error })
            #expect(parsed.problems.allSatisfy { $0.line >= 1 && $0.column >= 1 && !$0.message.contains("\n") })
            _ = Self.parser.check(mutated, file: "x.yaml")
        }
    }

    static let hostile: [(name: String, text: String)] = [
        ("flow depth", String(repeating: "[", count: 1_000_000)),
        ("flow depth of maps", String(repeating: "{a: ", count: 200_000)),
        ("block depth", String(repeating: "- ", count: 500_000)),
        ("key depth", String(repeating: "? ", count: 500_000)),
        ("many keys", (0..<20_000).map { "k\($0): 1" }.joined(separator: "\n")),
        ("many same keys", String(repeating: "k: 1\n", count: 20_000)),
        ("long scalar", "a: " + String(repeating: "x", count: 1_000_000)),
        ("too large", String(repeating: "a", count: 2_000_000)),
        (
            "laughs",
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
                + zip("abcdefgh", "bcdefghi").map { "\($1): &\($1) [*\($0), *\($0)]\n" }.joined()
        ),
        (
            "laughs in keys",
            "a: &a [x, x]\n" + zip("abcdefg", "bcdefgh").map { "\($1): &\($1) [*\($0), *\($0)]\n" }.joined()
                + "? *h : 1\n"
        ),
        ("many aliases", "a: &a x\nb: [" + String(repeating: "*a, ", count: 1000) + "]"),
        (
            "deep aliases",
            "a: &a " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900) + "\n"
                + zip("abcdefghijklmno", "bcdefghijklmnop").map {
                    "\($1): &\($1) " + String(repeating: "[", count: 900) + "*\($0)"
                        + String(repeating: "]", count: 900)
                        + "\n"
                }.joined()
        ),
        ("alias of itself", "a: &a [*a]"), ("tags", "!!binary a: !<tag:x,2000:%ff> b"),
        ("merge", "a: &a {b: 1}\nc:\n  <<: *a"),
        ("documents", String(repeating: "---\na\n", count: 20_000)), ("anchors", "&a &b c"), ("nul", "a: \"\\0\""),
        ("surrogate", "a: \"\\ud800\""), ("directive", "%YAML 9.9\n---\na: 1"), ("dash", "---"),
        ("byte order mark", "\u{FEFF}a: 1"),
        ("line separators", "a: 1\u{2028}b: 2\u{85}c: 3"), ("carriage returns", "a: 1\r\nb: 2\rc: 3"),
        ("numbers", "kind: 99999999999999999999999\nspec: {timeline: [{expect: {within: 1e999}}]}"),
    ]

    @Test("hostile files end in a verdict", arguments: hostile.indices)
    func endsInVerdict(index: Int) {
        let clock = ContinuousClock()
        let took = clock.measure {
            let found = Self.parser.check(Array(Self.hostile[index].text.utf8), file: "x.yaml")
            #expect(!found.isEmpty, "\(Self.hostile[index].name)")
            #expect(found.count <= ScenarioParser.problemLimit + 1)
        }
        #expect(took < .seconds(60), "\(Self.hostile[index].name)")
    }

    private func problems(_ yaml: String) -> [Problem] { YAMLReading(Array(yaml.utf8), file: "x.yaml").problems }

    @Test(
        "what is not UTF-8 has its place", arguments: [([0x61, 0x3A, 0x20, 0xC3, 0xA4, 0x0A, 0x62, 0xC3, 0x28], 2, 2)])
    func notUTF8(bytes: [UInt8], line: Int, column: Int) {
        let found = YAMLReading(bytes, file: "x.yaml").problems
        #expect(found.map(\.message) == ["the file is not UTF-8 text"])
        #expect(found.first?.line == line && found.first?.column == column)
    }

    @Test("stars in quotes, comments and text are no aliases")
    func starsAreNoAliases() {
        #expect(problems(String(repeating: "# *note* of *this*\n", count: 20) + "a: b\n").isEmpty)
        let filler = String(repeating: "# " + String(repeating: "x", count: 98) + "\n", count: 700)
        #expect(problems("a: \"*/4 *\"\nb: '*x'\nc: |\n  *y\n  *z\n" + filler).isEmpty)
    }

    @Test("aliases are counted, and the one too many has a place")
    func aliasesAreCounted() {
        func list(_ count: Int) -> String {
            "a: &a x\nb:\n" + String(repeating: "  - *a\n", count: count)
        }
        #expect(problems(list(YAMLReading.aliasLimit)).isEmpty)
        let excess = problems(list(YAMLReading.aliasLimit + 1))
        #expect(excess.count == 1 && excess.first?.message.contains("more than 16 YAML aliases") == true)
        #expect(excess.first?.line == 3 + YAMLReading.aliasLimit && excess.first?.column == 5)
        let large = problems(list(1) + String(repeating: "# x\n", count: YAMLReading.aliasedByteLimit / 4))
        #expect(large.first?.message.contains("in a file of more than") == true && large.first?.line == 3)
    }

    @Test func binary() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<20 {
            let bytes = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(!Self.parser.check(bytes, file: "x.yaml").isEmpty)
        }
        #expect(!Self.parser.check([0xC3, 0x28], file: "x.yaml").isEmpty)
    }

    /// Many steps over many pods take a bounded time.
    @Test func largeTimeline() {
        let rule = "{from: {kind: pod}, to: {kind: pod}, outcome: open}"
        let step = { (index: Int) in
            "    - {name: s\(index), expect: {matrix: [\(rule), {from: {}, to: {}, outcome: open}, \(rule)]}}\n"
        }
        let text =
            ScenarioText.head + """
                  workloads:
                    - {apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 390, template: {}}}
                  timeline:

                """ + (0..<200).map(step).joined()
        let found = Self.parser.check(Array(text.utf8), file: "x.yaml")
        #expect(!found.isEmpty)
    }

    /// Warnings are no mistakes, however many there are, and hide none.
    @Test func `more warnings than are shown leave a file valid`() throws {
        let all = ["pod", "node"].map { "{from: {kind: \($0)}, to: {kind: \($0)}, outcome: open}" }
        let superfluous = "{from: {labels: {app: nobody}}, to: {kind: pod}, outcome: open}"
        func found(_ last: String) -> [Problem] {
            let rules = (all + Array(repeating: superfluous, count: 300) + [last]).map { "\n    - \($0)" }
            let text = ScenarioText.unexpecting("expect:\n  matrix:" + rules.joined())
            return Self.parser.check(Array(text.utf8), file: "x.yaml")
        }
        let valid = found(superfluous)
        #expect(valid.allSatisfy { $0.severity == .warning })
        #expect(valid.last?.message.hasSuffix("more warnings") == true)
        let wrong = found("{from: {kind: pod}, to: {kind: pod}, outcome: opn}")
        #expect(wrong.contains { $0.severity == .error && $0.message.contains("outcome must be") })
    }

    @Test func `a drop reason that the datapath lacks is told with the nearest one`() {
        let text = ScenarioText.expecting("drops: [{from: {}, to: {}, reason: policy-denied-ingres}]")
        let found = ScenarioText.problems(text)
        #expect(found.contains { $0.hasSuffix("did you mean \"policy-denied-ingress\"?") }, "\(found)")
    }
}
