/// Replaces `$(NAME)` in arguments and variables (third_party/forked/golang/expansion): `$$` is a dollar, and a
/// reference to a name that is not known stays as it is.
enum Expansion {
    static func expand(_ text: String, _ value: (String) -> String?) -> String {
        let bytes = Array(text.utf8)
        guard bytes.contains(36) else { return text }
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == 36, index + 1 < bytes.count else {
                result.append(bytes[index])
                index += 1
                continue
            }
            switch bytes[index + 1] {
            case 36:
                result.append(36)
                index += 2
            case UInt8(ascii: "("):
                guard let end = bytes[(index + 2)...].firstIndex(of: UInt8(ascii: ")")) else {
                    // Not closed: the dollar and the parenthesis stand for themselves.
                    result += [36, UInt8(ascii: "(")]
                    index += 2
                    continue
                }
                let name = String(decoding: bytes[(index + 2)..<end], as: UTF8.self)
                result += value(name).map { Array($0.utf8) } ?? Array(bytes[index...end])
                index = end + 1
            default:
                result += [36, bytes[index + 1]]
                index += 2
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
