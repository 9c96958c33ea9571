import Foundation
import Readings
import Testing

@Suite struct OutcomeTests {
    @Test(
        "text forms read back",
        arguments: [
            Outcome.open, .refused, .reset, .unreachable(code: 13), .timeout, .wrongSource("10.0.0.11:4711"),
            .loss(percent: 40), .dnsFailure(code: 3), .http(403), .notMeasured,
        ])
    func roundTrip(outcome: Outcome) throws {
        #expect(Outcome(outcome.description) == outcome)
        #expect(Outcome.names.contains(outcome.name))
        #expect(try JSONDecoder().decode([Outcome].self, from: JSONEncoder().encode([outcome])) == [outcome])
    }

    @Test(
        "texts that are none",
        arguments: [
            "", "opn", "open()", "loss(0)", "loss(100)", "unreachable(256)", "unreachable(1", "http(99)", "(",
            "wrong-source()",
        ])
    func refused(text: String) {
        #expect(Outcome(text) == nil)
    }

    @Test(arguments: [
        (Outcome.open, true), (.http(200), true), (.http(304), true), (.http(403), false), (.http(503), false),
        (.timeout, false), (.dnsFailure(code: 3), false), (.notMeasured, false),
    ])
    func success(outcome: Outcome, isServed: Bool) { #expect(outcome.isServed == isServed) }
}
