import Foundation

/// Facts of the host that a report names.
enum HostKernel {
    static var release: String {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension LabrunVersion {
    /// Revision of the sources, when the build was told it (`LABRUN_REVISION`), else `unknown`.
    static var revision: String { ProcessInfo.processInfo.environment["LABRUN_REVISION"] ?? "unknown" }
}
