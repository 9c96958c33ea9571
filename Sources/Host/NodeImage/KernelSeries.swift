/// A kernel series that nodes can run: Debian's cloud kernel of one Debian release.
///
/// The raw value is what users write after `--kernel`.
public enum KernelSeries: String, Sendable, Codable, CaseIterable, Comparable {
    case bullseye = "5.10"
    case bookworm = "6.1"
    case trixie = "6.12"
    case sid = "7.2"

    /// The series of a node whose lab file does not name one.
    public static let standard = KernelSeries.bookworm

    /// The Debian release whose main archive has this series.
    public var suite: String {
        switch self {
        case .bullseye: "bullseye"
        case .bookworm: "bookworm"
        case .trixie: "trixie"
        case .sid: "sid"
        }
    }

    /// Kernel parameters that a node of this series needs under software emulation.
    ///
    /// - `no_timer_check`: on a busy host the timer misses the kernel's test window and the kernel panics with "IO-APIC
    ///   + timer doesn't work" (seen once in 12 boots at a load of 17).
    /// - `clearcpuid=cx16`: QEMU 7.2 sometimes loses the flags of an interrupted `cmpxchg16b`, which the slab allocator
    ///   of 6.12 uses (double fault in `__kmalloc_noprof`: 4 of 26 boots on a busy host, none of 12 with this). User
    ///   space keeps the instruction.
    public var emulationParameters: [String] {
        self < .trixie ? ["no_timer_check"] : ["no_timer_check", "clearcpuid=cx16"]
    }

    /// The memory in MiB below which a node of this series cannot unpack its initramfs, which is in memory twice while
    /// it does.
    ///
    /// 7.2's kernel has 62 MB, 6.1's has 53 MB. With an initramfs of 32 MB, 128 MiB are enough for 6.1, while 7.2
    /// panics with "System is deadlocked on memory". With one of 38 MB (modules on demand), 6.1 panics, too.
    public var minimumMemoryMiB: Int {
        self < .sid ? 144 : 176
    }

    /// Parses a series as a user writes it.
    ///
    /// - Throws: ``ImageError`` with ``ImageError/Code/unknownKernel`` that lists the series at hand.
    public init(parsing text: String) throws(ImageError) {
        guard let series = KernelSeries(rawValue: text) else {
            let known = KernelSeries.allCases.map(\.rawValue).joined(separator: ", ")
            throw ImageError(.unknownKernel, "no kernel series '\(text)'", mend: "use one of \(known)")
        }
        self = series
    }

    public static func < (left: Self, right: Self) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }

    /// Whether a kernel release in the form of `uname -r`, for example `6.1.0-50-cloud-amd64`, belongs to this series.
    func covers(release: some StringProtocol) -> Bool {
        release.hasPrefix(rawValue + ".")
    }
}
