import Foundation
import RunEvents
import Synchronization
import Testing

@testable import Runner

/// What a run tells of the requests to its API server.
@Suite struct APIRequestTests {
    private func line(_ number: Int, _ verb: String, user: String, program: String, code: Int = 200) -> String {
        #"{"auditID":"\#(number)","stage":"ResponseComplete","verb":"\#(verb)","user":{"username":"\#(user)"},"#
            + #""sourceIPs":["10.0.0.\#(number % 200)"],"userAgent":"\#(program)/1","objectRef":{"resource":"pods"},"#
            + #""responseStatus":{"code":\#(code)},"requestReceivedTimestamp":"2026-11-30T12:46:02.860019Z"}"# + "\n"
    }

    /// Writes an audit log, and returns what a run tells of it, with the files that it leaves.
    private func told(_ log: String?) throws -> (payloads: [RunEvent.Payload], table: String?) {
        let folder = NSTemporaryDirectory() + "labrun-requests-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        if let log { try log.write(toFile: folder + "/audit.log", atomically: true, encoding: .utf8) }
        let events = Mutex<[RunEvent.Payload]>([])
        APIRequests(folder: folder, emitter: Emitter { event in events.withLock { $0.append(event.payload) } })
            .tell(since: Date(timeIntervalSince1970: 0))
        return (events.withLock { $0 }, try? String(contentsOfFile: folder + "/api-requests.tsv", encoding: .utf8))
    }

    @Test func `the kubelets of all nodes are one client of the report, and each is a row of the table`() throws {
        let log =
            line(1, "list", user: "system:node:node1", program: "kubelet")
            + line(2, "watch", user: "system:node:node2", program: "kubelet")
            + line(3, "deletecollection", user: "labrun", program: "kubectl", code: 403)
            + line(4, "connect", user: "labrun", program: "kubectl")
        let (payloads, table) = try told(log)
        guard case .apiRequests(let counts) = payloads.first, payloads.count == 1 else {
            Issue.record("\(payloads)")
            return
        }
        #expect(
            counts.clients == [
                .init(name: "kubectl", user: "labrun", addresses: 2, verbs: ["delete": 1, "other": 1], refused: 1),
                .init(
                    name: "kubelet", user: "system:node:*", addresses: 2, verbs: ["list": 1, "watch": 1], refused: 0),
            ])
        #expect(table?.contains("kubelet\tsystem:node:node2\twatch\tpods\t1\t0\n") == true)
    }

    @Test func `many clients are a short list, and no request is lost`() throws {
        let log = (0..<100).map { line($0, "get", user: "user\($0)", program: "program") }.joined()
        guard case .apiRequests(let counts) = try told(log).payloads.first else {
            Issue.record("nothing was told")
            return
        }
        #expect(counts.clients.count == 41)
        #expect(counts.count(of: "get") == 100)
    }

    @Test func `without a log nothing is told`() throws {
        let (payloads, table) = try told(nil)
        #expect(payloads.isEmpty && table == nil)
    }
}
