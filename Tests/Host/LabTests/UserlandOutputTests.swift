import NodeProtocol
import Testing

@testable import Lab

@Suite struct UserlandOutputTests {
    @Test func `what a failed program printed is no reading`() throws {
        #expect(try Executed(status: 0, output: "", errorOutput: "").printed(by: "iptables-save", on: "node1").isEmpty)
        let failed = Executed(status: 4, output: "", errorOutput: "Permission denied")
        let error = #expect(throws: LabError.self) { try failed.printed(by: "iptables-save", on: "node1") }
        #expect(error.map { "\($0)".contains("node1: iptables-save ended with 4: Permission denied") } == true)
    }
}
