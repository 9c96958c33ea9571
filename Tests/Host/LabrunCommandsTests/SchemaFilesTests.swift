import Faults
import Foundation
import Scenario
import Testing

@Suite struct SchemaFilesTests {
    /// If it fails, run: labrun schema NAME > docs/schemas/NAME.schema.json
    @Test("docs/schemas is what labrun schema prints", arguments: PublishedSchema.allCases)
    func published(schema: PublishedSchema) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appending(path: "docs/schemas/\(schema.rawValue).schema.json")
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(text == schema.text(faults: FaultCatalogue.shipped.descriptors))
    }
}
