import { useEffect, useId, useRef } from "react";

export interface ConfirmProps {
  question: string;
  yes: string;
  onYes: () => void;
  onNo: () => void;
}

/** Asks before something is done. The browser's own dialog holds the focus, and Escape is a no. */
export function Confirm({ question, yes, onYes, onNo }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const text = useId();
  useEffect(() => {
    const opened = dialog.current!;
    opened.showModal();
    return () => opened.close();
  }, []);
  return (
    <dialog ref={dialog} className="pinacle-admin-confirm" aria-labelledby={text} onCancel={onNo}>
      <p id={text}>{question}</p>
      <div className="pinacle-admin-tools">
        <button type="button" onClick={onYes}>
          {yes}
        </button>
        <button type="button" onClick={onNo}>
          Cancel
        </button>
      </div>
    </dialog>
  );
}
