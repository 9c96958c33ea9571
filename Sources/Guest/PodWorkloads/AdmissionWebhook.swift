#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
import JSON
public import Prober

/// An admission webhook, for the image `webhook`: what an API server asks by `AdmissionReview` of `admission.k8s.io/v1`
/// or `v1beta1`, answered by the container's variables.
///
/// | variable | |
/// |---|---|
/// | `DENY` | `true`: everything is denied |
/// | `DENY_LABEL` | `key` or `key=value`: objects that have this label are denied |
/// | `REQUIRE_LABEL` | the same: objects that do not have it are denied |
/// | `MESSAGE` | what a denial says |
/// | `PATCH_LABEL` | `key=value`: the label that `/mutate` sets |
/// | `DELAY_MS` | how long every answer is held back |
///
/// `/validate` allows or denies, `/mutate` also patches, `/healthz` and `/readyz` are for probes.
public struct AdmissionWebhook: Sendable {
    private struct Label: Sendable {
        let key: String
        let value: String?

        init?(_ text: String?) {
            guard let text, !text.isEmpty else { return nil }
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard !parts[0].isEmpty else { return nil }
            key = String(parts[0])
            value = parts.count > 1 ? String(parts[1]) : nil
        }

        func isOn(_ object: JSONValue?) -> Bool {
            guard let found = object?["metadata"]?["labels"]?[key]?.text else { return false }
            return value == nil || value == found
        }

        var words: String { key + (value.map { "=\($0)" } ?? "") }
    }

    private let deniesAll: Bool
    private let denied: Label?
    private let required: Label?
    private let message: String?
    private let patch: Label?
    private let delay: Duration

    /// - Parameter environment: The container's variables.
    public init(environment: [String: String]) {
        deniesAll = environment["DENY"] == "true"
        denied = Label(environment["DENY_LABEL"])
        required = Label(environment["REQUIRE_LABEL"])
        message = environment["MESSAGE"].flatMap { $0.isEmpty ? nil : $0 }
        patch = Label(environment["PATCH_LABEL"])
        delay = .milliseconds(min(max(0, environment["DELAY_MS"].flatMap { Int($0) } ?? 0), 60_000))
    }

    public func answer(_ request: WebRequest) -> WebAnswer {
        var answer: WebAnswer
        switch request.path {
        case "/healthz", "/readyz", "/livez", "/": answer = WebAnswer(contentType: "text/plain", body: Array("ok".utf8))
        case _ where request.path.hasPrefix("/validate"): answer = review(request, mutates: false)
        case _ where request.path.hasPrefix("/mutate"): answer = review(request, mutates: true)
        default: answer = Self.failure(404, "no \(request.path)")
        }
        answer.delay = delay
        return answer
    }

    private func review(_ request: WebRequest, mutates: Bool) -> WebAnswer {
        guard request.method == "POST" else { return Self.failure(405, "not a POST") }
        guard let review = try? JSONText.value(of: request.body), review["kind"]?.text == "AdmissionReview",
            let version = review["apiVersion"]?.text, version.hasPrefix("admission.k8s.io/"),
            let asked = review["request"], let uid = asked["uid"]?.text
        else { return Self.failure(400, "the body is no AdmissionReview") }
        // What is deleted has only an old object.
        let object = asked["object"].flatMap { $0 == .null ? nil : $0 } ?? asked["oldObject"]
        var response: [String: JSONValue] = ["uid": .string(uid), "allowed": .bool(true)]
        if let reason = denial(of: object) {
            response["allowed"] = .bool(false)
            response["status"] = .object([
                "code": .integer(403), "reason": .string("Forbidden"), "message": .string(message ?? reason),
            ])
        } else if mutates, let operations = operations(on: object) {
            response["patchType"] = .string("JSONPatch")
            response["patch"] = .string(Data(JSONText.octets(of: operations)).base64EncodedString())
        }
        return WebAnswer(
            body: JSONText.octets(
                of: .object([
                    "apiVersion": .string(version), "kind": .string("AdmissionReview"), "response": .object(response),
                ])))
    }

    private func denial(of object: JSONValue?) -> String? {
        if deniesAll { return "everything is denied" }
        if let denied, denied.isOn(object) { return "label \(denied.words) is denied" }
        if let required, !required.isOn(object) { return "label \(required.words) is required" }
        return nil
    }

    /// A JSON patch (RFC 6902) that sets the label; nil if it is there already.
    private func operations(on object: JSONValue?) -> JSONValue? {
        guard let patch, let object, !patch.isOn(object) else { return nil }
        let key = patch.key.replacing("~", with: "~0").replacing("/", with: "~1")
        func add(_ path: String, _ value: JSONValue) -> JSONValue {
            .object(["op": .string("add"), "path": .string(path), "value": value])
        }
        let parent: [JSONValue] =
            object["metadata"]?["labels"]?.members == nil ? [add("/metadata/labels", .object([:]))] : []
        return .array(parent + [add("/metadata/labels/\(key)", .string(patch.value ?? ""))])
    }

    private static func failure(_ status: Int, _ reason: String) -> WebAnswer {
        WebAnswer(status: status, body: JSONText.octets(of: .object(["error": .string(reason)])))
    }
}
