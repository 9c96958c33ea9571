import Expectations

/// The JSON Schemas of the project's files, `docs/schemas/NAME.schema.json`, made from the tables that the parser uses.
public enum PublishedSchema: String, CaseIterable, Sendable {
    case scenario, lab, images, report

    /// Returns the schema's text (draft 2020-12), with a line feed at the end.
    /// - Parameter faults: The faults that a scenario may inject.
    public func text(faults: [FaultDescriptor]) -> String {
        document(faults: faults).text() + "\n"
    }

    /// - Parameter expectations: The kinds of expectations that a step may have.
    func document(
        faults: [FaultDescriptor], expectations: [any Expectation.Type] = ExpectationCatalogue.kinds
    ) -> JSONText {
        switch self {
        case .scenario:
            SchemaWriter.document(
                ScenarioShape(faults: faults, expectations: expectations).document, id: "v1alpha1/scenario.schema.json",
                title: "labrun scenario")
        case .lab:
            SchemaWriter.document(LabShape.document, id: "v1alpha1/lab.schema.json", title: "labrun lab profile")
        case .images:
            SchemaWriter.document(ImagesShape.document, id: "v1alpha1/images.schema.json", title: "labrun images")
        case .report:
            SchemaWriter.document(ReportShape.document, id: "v1alpha1/report.schema.json", title: "labrun report")
        }
    }
}
