import Foundation
import JSON
import Prober
import Testing

@testable import PodWorkloads

@Suite struct AdmissionWebhookTests {
    private func review(
        _ variables: [String: String], _ object: String, path: String = "/validate", version: String = "v1"
    ) throws -> JSONValue {
        let body =
            #"{"apiVersion": "admission.k8s.io/\#(version)", "kind": "AdmissionReview", "#
            + #""request": {"uid": "u-1", "operation": "CREATE", "object": \#(object)}}"#
        let answer = AdmissionWebhook(environment: variables)
            .answer(WebRequest(method: "POST", target: path + "?timeout=10s", body: Array(body.utf8)))
        #expect(answer.status == 200)
        return try JSONText.value(of: answer.body)
    }

    private let plain = #"{"metadata": {"name": "a"}}"#
    private let labelled = #"{"metadata": {"name": "a", "labels": {"team": "red"}}}"#

    @Test(arguments: ["v1", "v1beta1"]) func `a label is denied in the version that was asked`(_ version: String) throws
    {
        let denied = try review(["DENY_LABEL": "team=red"], labelled, version: version)
        #expect(denied["apiVersion"]?.text == "admission.k8s.io/\(version)")
        #expect(denied["response"]?["uid"]?.text == "u-1")
        #expect(denied["response"]?["allowed"] == .bool(false))
        #expect(denied["response"]?["status"]?["message"]?.text == "label team=red is denied")
        #expect(try review(["DENY_LABEL": "team=blue"], labelled)["response"]?["allowed"] == .bool(true))
        #expect(try review(["DENY_LABEL": "team=red"], plain)["response"]?["allowed"] == .bool(true))
    }

    @Test func `everything, or what lacks a label, is denied in the words given`() throws {
        let all = try review(["DENY": "true", "MESSAGE": "closed today"], plain)
        #expect(all["response"]?["status"]?["message"]?.text == "closed today")
        #expect(try review(["REQUIRE_LABEL": "team"], plain)["response"]?["allowed"] == .bool(false))
        #expect(try review(["REQUIRE_LABEL": "team"], labelled)["response"]?["allowed"] == .bool(true))
    }

    @Test func `a label is set by a patch`() throws {
        func patch(_ object: String) throws -> JSONValue? {
            let response = try review(["PATCH_LABEL": "a.b/c~d=1"], object, path: "/mutate")["response"]
            #expect(response?["allowed"] == .bool(true))
            return try response?["patch"]?.text.flatMap { Data(base64Encoded: $0) }.map {
                try JSONText.value(of: Array($0))
            }
        }
        let operations = try #require(try patch(plain)?.elements)
        #expect(operations.map { $0["path"]?.text } == ["/metadata/labels", "/metadata/labels/a.b~1c~0d"])
        #expect(try patch(labelled)?.elements?.count == 1)
        #expect(try patch(#"{"metadata": {"labels": {"a.b/c~d": "1"}}}"#) == nil)
        // Only /mutate patches.
        #expect(try review(["PATCH_LABEL": "a=1"], plain)["response"]?["patch"] == nil)
    }

    @Test func `what is no review is refused, whatever its octets are`() {
        let webhook = AdmissionWebhook(environment: ["DENY_LABEL": "a", "PATCH_LABEL": "b=1"])
        func status(_ body: [UInt8], _ path: String = "/mutate", _ method: String = "POST") -> Int {
            webhook.answer(WebRequest(method: method, target: path, body: body)).status
        }
        #expect(status([]) == 400)
        #expect(status(Array("{}".utf8)) == 400)
        #expect(status([], "/validate", "GET") == 405)
        #expect(status([], "/other") == 404)
        #expect(status([], "/healthz", "GET") == 200)
        let whole = Array(
            (#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","object":"#
                + #"{"metadata":{"labels":{"x":"y"}}}}}"#).utf8)
        var random = SystemRandom(state: 11)
        for _ in 0..<2000 {
            var bytes = whole
            for _ in 0...Int(random.next() % 4) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            #expect([200, 400].contains(status(bytes)))
        }
    }

    /// The numbers of one seed.
    private struct SystemRandom {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
    }
}
