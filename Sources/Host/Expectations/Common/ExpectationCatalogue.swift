/// The kinds of expectations that there are.
package enum ExpectationCatalogue {
    /// The kinds, in the order of the schema, of `explain` and of the results.
    package static let kinds: [any Expectation.Type] = [
        MatrixExpectation.self,
        HealthExpectation.self,
        WireExpectation.self,
        FlowLogExpectation.self,
        StreamExpectation.self,
        DropExpectation.self,
        NodeExpectation.self,
        IdentityExpectation.self,
        PodsExpectation.self,
        ObjectExpectation.self,
        EventExpectation.self,
        ServerConnectionExpectation.self,
        DiagnosisExpectation.self,
    ]
}
