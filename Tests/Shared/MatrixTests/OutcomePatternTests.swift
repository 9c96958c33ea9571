import Matrix
import Testing

@Suite struct OutcomePatternTests {
    @Test func patterns() {
        #expect(OutcomePattern("unreachable")?.matches(.unreachable(code: 1)) == true)
        #expect(OutcomePattern("unreachable(1)")?.matches(.unreachable(code: 3)) == false)
        #expect(OutcomePattern("unreachabel") == nil)
    }
}
