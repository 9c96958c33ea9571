import Foundation
import NodeImage

/// Facts about the host that a report names.
enum HostKernel {
    static var release: String {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension LabrunVersion {
    /// The revision of the sources. `make build` writes it beside the guest binaries. In other builds it is `unknown`.
    static var revision: String {
        for directory in ImageStore.standardGuestDirectories {
            if let text = try? String(contentsOfFile: directory + "/revision", encoding: .utf8) {
                return text.trimmingCharacters(in: .whitespacesAndNewlines)
            }
        }
        return "unknown"
    }
}
