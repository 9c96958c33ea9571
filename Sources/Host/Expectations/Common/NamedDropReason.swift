import CDatapathABI

/// A reason for which the datapath drops packets, as `bpf/abi/include/abi_numbers.h` has it.
package struct NamedDropReason: Sendable {
    /// The negative number that events carry.
    package let number: Int32
    /// The name in events, metrics and scenario files, for example `policy-denied-ingress`.
    package let name: String
    /// What it means, in a sentence.
    package let meaning: String

    /// Every reason of this build, in the header's order.
    package static let all: [NamedDropReason] = (UInt32(0)...).lazy.map(dp_reason_at).prefix { $0 < 0 }.map { number in
        NamedDropReason(
            number: number, name: dp_reason_slug(number).map { String(cString: $0) } ?? "",
            meaning: dp_reason_text(number).map { String(cString: $0) } ?? "")
    }
}
