import DomicileDirectory
import DomicileTesting
import Foundation
import Testing

/// Notes and checkpoints are those of C2SP's signed-note, tlog-checkpoint and tlog-cosignature.
@Suite struct SignedNoteTests {
  /// From the documentation of golang.org/x/mod/sumdb/note, whose format became C2SP's.
  private static let published = """
    If you think cryptography is the answer to your problem,
    then you don't know what your problem is.

    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
    — EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=

    """
  private static let peter =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
  private static let enoch =
    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"

  @Test func `a published note verifies by its published keys`() throws {
    let note = try #require(SignedNote(Self.published))
    let peter = try #require(NoteKey(Self.peter))
    #expect(peter.description == Self.peter && peter.name == "PeterNeumann")
    #expect(note.verified(by: [peter]) == [peter])
    // Signatures by keys that are not known are ignored, and no key is no proof.
    #expect(note.verified(by: [])?.isEmpty == true)
    #expect(note.description == Self.published)
  }

  @Test func `any byte that is changed, added or left out is found`() throws {
    let key = try #require(NoteKey(Self.peter))
    let bytes = Array(Self.published.utf8)
    func isAccepted(_ bytes: [UInt8]) -> Bool {
      guard let text = String(bytes: bytes, encoding: .utf8), let note = SignedNote(text) else {
        return false
      }
      return note.verified(by: [key]) == [key] && note.text == text.prefix(note.text.count)
    }
    // The second signature is by a key that is not known: what is in its line is nobody's word.
    let signed = Self.published.utf8.count - 125
    try #require(isAccepted(bytes))
    for index in 0..<signed {
      for change: UInt8 in [1, 0x20, 0x80] {
        var changed = bytes
        changed[index] ^= change
        #expect(!isAccepted(changed), "byte \(index)")
      }
      var shorter = bytes
      shorter.remove(at: index)
      #expect(!isAccepted(shorter), "byte \(index)")
    }
    for length in 0..<signed { #expect(!isAccepted(Array(bytes.prefix(length)))) }
  }

  @Test(arguments: [
    "", "text", "text\n", "text\n\n", "\n— a AAAAAAA=\n", "text\n\n— a\n", "text\n\n— a AAAA\n",
    "text\n\n— a+b AAAAAAA=\n", "text\n\n—  AAAAAAA=\n", "text\n\n— a AAAAAAA=",
    "text\n\n- a AAAAAAA=\n",
    "te\rxt\n\n— a AAAAAAA=\n", "text\n\n— a AAAAAAB=\n", "text\n\n— a AAAAAAA= x\n",
    "text\n\n— a AAAAAAA=\nmore\n",
  ])
  func `what is no note is none`(text: String) { #expect(SignedNote(text) == nil) }

  @Test(arguments: [
    "", "a", "a+b", "a+00000000+", "+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
    "EnochRoot+af0cfe79+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
    "EnochRoot+AF0CFE78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
    "EnochRoot+af0cfe78+AjtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
    "Enoch Root+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
  ])
  func `what is no key is none`(text: String) { #expect(NoteKey(text) == nil) }

  // MARK: Checkpoints

  private static let checkpoint = Checkpoint(
    origin: "domicile/test", size: 20_852_163, root: .ofNothing)

  @Test func `a checkpoint that was signed verifies by that key alone`() throws {
    let key = try #require(LedgerKey(bytes: Array(1...32)))
    let other = try #require(LedgerKey(bytes: Array(2...33)))
    let note = try key.sign(Self.checkpoint)
    #expect(SignedNote(note.description) == note)
    #expect(Checkpoint(text: note.text) == Self.checkpoint)
    let (right, wrong) = (
      key.noteKey(origin: "domicile/test"), other.noteKey(origin: "domicile/test")
    )
    #expect(note.verified(by: [right, wrong]) == [right])
    #expect(note.verified(by: [wrong])?.isEmpty == true)
    #expect(NoteKey(right.description) == right)
    // A signature that claims to be by a key that is known, and is not, spoils the note.
    let forged = SignedNote(
      text: note.text,
      signatures: note.signatures + [
        SignedNote.Signature(name: wrong.name, keyID: wrong.id, bytes: note.signatures[0].bytes)
      ])
    #expect(forged.verified(by: [right, wrong]) == nil)
    #expect(forged.verified(by: [right]) == [right])
  }

  @Test(arguments: [
    "", "a\n1\n", "\n1\n\(TreeHash.ofNothing)\n", "a\n01\n\(TreeHash.ofNothing)\n",
    "a\n-1\n\(TreeHash.ofNothing)\n", "a\n+1\n\(TreeHash.ofNothing)\n",
    "a\n9223372036854775808\n\(TreeHash.ofNothing)\n", "a\n1\nAAAA\n",
    "a\n1\n\(TreeHash.ofNothing)\nmore\n", "a\n1\n\(TreeHash.ofNothing)\n\n",
    "a\n1\n\(TreeHash.ofNothing)",
  ])
  func `what is no checkpoint is none`(text: String) { #expect(Checkpoint(text: text) == nil) }

  @Test func `a witness says when it has seen a checkpoint`() throws {
    let log = try #require(LedgerKey(bytes: Array(1...32)))
    let witness = try #require(LedgerKey(bytes: Array(3...34)))
    let witnessKey = try #require(
      NoteKey(
        name: "witness.example/w1", kind: .cosignature,
        publicKey: witness.noteKey(origin: "w").publicKey))
    let note = try log.sign(Self.checkpoint)
    func line(time: UInt64, signed: UInt64) throws -> String {
      let signature = try witness.signature(
        of: "cosignature/v1\ntime \(signed)\n\(note.text)", as: "w")
      let stamp = (0..<8).map { UInt8(truncatingIfNeeded: time >> UInt64(56 - 8 * $0)) }
      return SignedNote(
        text: "",
        signatures: [
          SignedNote.Signature(
            name: witnessKey.name, keyID: witnessKey.id, bytes: stamp + signature.bytes)
        ]
      ).description.replacing("\n—", with: "—", maxReplacements: 1)
    }
    let logKey = log.noteKey(origin: "domicile/test")
    let cosigned = try #require(
      note.adding(lines: try line(time: 1_679_315_147, signed: 1_679_315_147)))
    #expect(cosigned.verified(by: [logKey, witnessKey]) == [logKey, witnessKey])
    #expect(SignedNote(cosigned.description) == cosigned)
    #expect(NoteKey(witnessKey.description) == witnessKey)
    let backdated = try #require(note.adding(lines: try line(time: 1, signed: 1_679_315_147)))
    #expect(backdated.verified(by: [logKey, witnessKey]) == nil)
    #expect(note.adding(lines: "no signature\n") == nil)
  }
}
