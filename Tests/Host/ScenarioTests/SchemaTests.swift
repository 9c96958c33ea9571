import Foundation
import LabProfiles
import ScenarioReading
import ShippedScenarios
import Testing

@testable import Scenario

@Suite struct SchemaTests {
    private static func tree(_ bytes: [UInt8]) throws -> YAMLValue {
        try #require(YAMLReading(bytes, file: "x.yaml").documents.first)
    }

    @Test("valid files validate", arguments: ShippedScenarios.names)
    func scenarios(name: String) throws {
        let schema = SchemaValidator(root: PublishedSchema.scenario.document(faults: testFaults))
        let bytes = try #require(ShippedScenarios.bytes(of: name))
        #expect(try schema.accepts(Self.tree(bytes).json))
    }

    @Test("valid labs validate", arguments: LabProfiles.names)
    func labs(name: String) throws {
        let schema = SchemaValidator(root: PublishedSchema.lab.document(faults: []))
        #expect(try schema.accepts(Self.tree(try #require(LabProfiles.bytes(of: name))).json))
    }

    @Test func template() throws {
        let schema = SchemaValidator(root: PublishedSchema.scenario.document(faults: testFaults))
        let text = try #require(ScenarioTemplate.text(name: "my-scenario"))
        #expect(ScenarioText.problems(text) == [])
        #expect(try schema.accepts(Self.tree(Array(text.utf8)).json))
        #expect(ScenarioTemplate.text(name: "My scenario") == nil)
        #expect(ScenarioText.problems(try #require(ScenarioTemplate.text(name: "1"))) == [])
    }

    /// With one place of a valid file changed, schema and shapes refuse the same files.
    @Test("schema and parser agree on changed files", arguments: 0..<10)
    func agreement(round: Int) throws {
        var random = SeededGenerator(seed: UInt64(round))
        let scenario = SchemaValidator(root: PublishedSchema.scenario.document(faults: testFaults))
        let lab = SchemaValidator(root: PublishedSchema.lab.document(faults: []))
        let shape = ScenarioShape(faults: testFaults).document
        var refused = 0
        for name in ShippedScenarios.names + LabProfiles.names {
            let isLab = LabProfiles.names.contains(name)
            let bytes = try #require(isLab ? LabProfiles.bytes(of: name) : ShippedScenarios.bytes(of: name))
            let tree = try Self.tree(bytes)
            for _ in 0..<20 {
                let text = Mutation.text(Mutation.tree(tree, &random))
                let mutated = try Self.tree(Array(text.utf8))
                var checker = ShapeChecker(file: "x.yaml")
                checker.check(mutated, isLab ? LabShape.document : shape, "the file")
                let accepted = try (isLab ? lab : scenario).accepts(mutated.json)
                if !checker.problems.isEmpty { refused += 1 }
                #expect(accepted == checker.problems.isEmpty, "\(ProblemReport(checker.problems))\n\(text)")
            }
        }
        #expect(refused > 40)
    }

    @Test("schemas hold only what the validator knows, and are objects", arguments: PublishedSchema.allCases)
    func wellFormed(schema: PublishedSchema) throws {
        let text = schema.text(faults: testFaults)
        let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        #expect(parsed?["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
        #expect(try !SchemaValidator(root: schema.document(faults: testFaults)).accepts(.object([])))
    }
}
