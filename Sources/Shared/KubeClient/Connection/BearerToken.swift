import Files
import LinuxKernel
import Synchronization

/// The token that a client shows, if it shows one.
final class BearerToken: Sendable {
    private struct Reading {
        var token: String
        var time: MonotonicTime
    }

    private let credential: KubeCredential
    private let age: Duration
    private let last = Mutex<Reading?>(nil)

    /// - Parameter age: How long a token from a file is used before the file is read again.
    init(_ credential: KubeCredential, age: Duration) {
        self.credential = credential
        self.age = age
    }

    /// - Throws: `KubeClientError.tls` if there should be a token and is none.
    func current() throws(KubeClientError) -> String? {
        switch credential {
        case .certificate, .none: return nil
        case .token(let token): return try Self.checked(token, from: "the credential")
        case .tokenFile(let path): return try current(in: path)
        }
    }

    /// Reads a file again next time, because the server did not believe its token. Says whether there is a file.
    func forget() -> Bool {
        last.withLock { $0 = nil }
        if case .tokenFile = credential { return true }
        return false
    }

    private func current(in path: String) throws(KubeClientError) -> String {
        let now = MonotonicTime.now
        let reading = last.withLock { $0 }
        if let reading, now.since(reading.time) < age { return reading.token }
        do {
            let octets = try RegularFile.read(path, upTo: 65_536)
            let token = try Self.checked(String(decoding: octets, as: UTF8.self), from: path)
            last.withLock { $0 = Reading(token: token, time: now) }
            return token
        } catch {
            // A token that was good a moment ago is better than none.
            if let reading { return reading.token }
            throw .tls((error as? KubeClientError).map { "\($0)" } ?? "the token file \(path) \(error)")
        }
    }

    /// A token is printable ASCII without white space (RFC 6750, section 2.1), so that it can be a header's value.
    private static func checked(_ text: String, from place: String) throws(KubeClientError) -> String {
        let token = text.utf8.drop { $0 <= 0x20 }.prefix { $0 > 0x20 }
        guard !token.isEmpty, token.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .tls("\(place) has no bearer token")
        }
        return String(decoding: token, as: UTF8.self)
    }
}
