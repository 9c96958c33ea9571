import JSON

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// JSON of the API.
enum KubeCoding {
    static func decode<Value: Decodable>(_ octets: [UInt8], as type: Value.Type) throws(KubeClientError) -> Value {
        do {
            if type == JSONValue.self, let value = try JSONText.value(of: octets) as? Value { return value }
            return try JSONDecoder().decode(type, from: Data(octets))
        } catch {
            throw .malformed("\(error)")
        }
    }

    /// Characters of a message. Those of the API server that list a pod's mistakes have a few thousand.
    static let longestMessage = 16_384

    /// The server's refusal. What is no `metav1.Status` becomes one, with the beginning of the body as its words.
    static func status(of response: KubeResponse) -> KubeStatus {
        if var status = try? JSONDecoder().decode(KubeStatus.self, from: Data(response.body)),
            !status.message.isEmpty || !status.reason.isEmpty
        {
            if status.code == 0 { status.code = response.status }
            // The words go into logs and reports.
            status.message = String(status.message.prefix(longestMessage))
            return status
        }
        let words = String(decoding: response.body.prefix(512), as: UTF8.self)
        return KubeStatus(code: response.status, reason: "", message: words)
    }
}
